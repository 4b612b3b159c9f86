# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What packages of npm speak and Debian's do not: npm.js is both ends, but for the server of MongoDB, which is FerretDB's.

needs_npm() {
	cat <<-'END'
		node nodejs
		npm npm
		/usr/lib/python3/dist-packages/pymongo python3-pymongo
	END
}

start_npm() {
	local dir=$tmp/npm
	mkdir -p "$dir"
	from_registry node minecraft-protocol@1.68.0 smpp@0.5.1 mongodb@6.22.0
	# A copy of its sources, for it embeds a file that only its own build makes.
	cp -r "$(go mod download -json github.com/FerretDB/FerretDB@v1.24.2 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')" "$dir/source" ||
		{ echo "record.sh: not to be had from the Go module proxy: FerretDB" >&2; exit 1; }
	chmod -R u+w "$dir/source"
	(cd "$dir/source" && echo v1.24.2 >build/version/version.txt && CGO_ENABLED=0 go build -trimpath -o ../ferretdb ./cmd/ferretdb)
	mkdir -p "$dir/mongo"
	serve mongo "$dir/ferretdb" --handler=sqlite --sqlite-url="file:$dir/mongo/" --state-dir="$dir" --listen-addr=$v4:27017 --debug-addr=- --telemetry=disable \
		--test-enable-new-auth --setup-database=shop --setup-username=anna --setup-password=secret
	serve minecraft node $here/record.d/npm.js serve minecraft $v4
	serve smpp node $here/record.d/npm.js serve smpp $v4
	patience=1200 wait_for 25565 2775 27017
}

npm_ask() { quietly c node $here/record.d/npm.js ask "$1" $v4; }
talk_minecraft() { npm_ask minecraft; }
talk_smpp() { npm_ask smpp; }
talk_mongodb() {
	npm_ask mongodb
	quietly c /usr/bin/python3 -c "
import pymongo
shop = pymongo.MongoClient('mongodb://$v4:27017/', appname='report', serverSelectionTimeoutMS=5000).shop
print(shop.orders.count_documents({}))
"
}

recordings_npm() {
	record minecraft "$C -i c0 -s 512" 'tcp port 25565' talk_minecraft
	record mongodb "$C -i c0" 'tcp port 27017' talk_mongodb
	record smpp "$C -i c0" 'tcp port 2775' talk_smpp
}
