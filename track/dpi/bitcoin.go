package dpi

import "rustnet/track/event"

var (
	fieldBitcoinCommand = event.AppString("bitcoin_command", "First message.").Spelt(event.Small)
	fieldBitcoinAgent   = event.AppString("bitcoin_agent", "Program of the first end that says it.")

	fieldBitcoinNetwork = event.AppString("bitcoin_network", "Network of the first message: bitcoin, testnet4, litecoin, ….").Spelt(event.OneOf(bitcoinNames()...))

	bitcoinFields = []*event.AppField{fieldBitcoinCommand, fieldBitcoinAgent, fieldBitcoinNetwork}

	bitcoinFirst = bytesIn("\xf9\x0b\x1c\xfa\x0a\xfb\xfd\xc0\xbf\xce\x24\xaa\xe3\xf4", 1, 0)
)

// bitcoinNetworks have a magic number each (chainparams.cpp of the programs); that of regtest has been taken by others too.
var bitcoinNetworks = [...]struct{ magic, name string }{
	{"\xf9\xbe\xb4\xd9", "bitcoin"},
	{"\x0b\x11\x09\x07", "testnet3"},
	{"\x1c\x16\x3f\x28", "testnet4"},
	{"\x0a\x03\xcf\x40", "signet"},
	{"\xfa\xbf\xb5\xda", "regtest"},
	{"\xfb\xc0\xb6\xdb", "litecoin"},
	{"\xfd\xd2\xc8\xf1", "litecoin-testnet"},
	{"\xc0\xc0\xc0\xc0", "dogecoin"},
	{"\xbf\x0c\x6b\xbd", "dash"},
	{"\xce\xe2\xca\xff", "dash-testnet"},
	{"\x24\xe9\x27\x64", "zcash"},
	{"\xfa\x1a\xf9\xbf", "zcash-testnet"},
	{"\xaa\xe8\x3f\x5f", "zcash-regtest"},
	{"\xe3\xe1\xf3\xe8", "bitcoin-cash"},
	{"\xf4\xe5\xf3\xf4", "bitcoin-cash-testnet"},
}

func bitcoinNames() (names []string) {
	for _, n := range bitcoinNetworks {
		names = append(names, n.name)
	}
	return names
}

// parseBitcoin reads a message (Bitcoin developer reference, P2P network): the magic number of a network, command, length,
// checksum. The first one has the program in it. Bitcoin's heirs have kept all that.
func parseBitcoin(c *call) verdict {
	const headerLen, maxLen, agentAt = 24, 4 << 20, 80
	v := &c.view[c.side]
	network := ""
	for i := range bitcoinNetworks {
		switch v.begins(bitcoinNetworks[i].magic) {
		case match:
			network = bitcoinNetworks[i].name
		case more:
			return more
		}
	}
	if network == "" {
		return no
	}
	b := v.b
	if len(b) < headerLen {
		return v.unfinished()
	}
	command, _, _ := zeroText(b[4:16])
	n := le32(b[16:])
	if len(command) < 2 || n > maxLen {
		return no
	}
	for _, ch := range command {
		if (ch < 'a' || ch > 'z') && !digit(ch) {
			return no
		}
	}
	if string(command) == "version" {
		if len(b) < headerLen+int(min(n, 512)) && !v.gap && !v.fin {
			return more
		}
		if body := b[headerLen:]; len(body) > agentAt {
			r := cursor{b: body[agentAt:]}
			if agent := r.vector8(); !r.bad {
				c.fact(fieldBitcoinAgent, agent)
			}
		}
	}
	c.setClient(Orig)
	c.fact(fieldBitcoinCommand, command)
	c.edit().SetStr(fieldBitcoinNetwork, network)
	return c.finish()
}
