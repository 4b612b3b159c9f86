package remote

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"rustnet/track/event"
)

// database is an open file of the MaxMind DB format, version 2: of MaxMind itself (GeoLite2, GeoIP2), DB-IP or IPinfo.
type database struct {
	path   string
	file   os.FileInfo // as it was opened
	reader *maxminddb.Reader
}

// openDatabase opens one. The file is mapped: it may be replaced, not written to, while it is in use.
func openDatabase(path string) (*database, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	r, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: no MaxMind database: %w", path, err)
	}
	return &database{path: path, file: info, reader: r}, nil
}

// replaced tells whether there is another file of that name by now.
func (d *database) replaced() bool {
	info, err := os.Stat(d.path)
	return err == nil && (!os.SameFile(info, d.file) || info.ModTime() != d.file.ModTime() || info.Size() != d.file.Size())
}

// look adds to a what the file has of an address and a does not have yet. The error is of a damaged file.
func (d *database) look(addr netip.Addr, a *event.About) error {
	found := d.reader.Lookup(addr)
	if err := found.Err(); err != nil || !found.Found() {
		return err
	}
	first := func(have string, paths ...[]any) string {
		for _, path := range paths {
			if have != "" {
				break
			}
			have = text(found, path)
		}
		return have
	}
	a.Country = first(a.Country, []any{"country", "iso_code"}, []any{"country_code"}, []any{"country"})
	a.City = first(a.City, []any{"city", "names", "en"}, []any{"city"})
	a.Org = first(a.Org, []any{"autonomous_system_organization"}, []any{"as_name"})
	if a.ASN == 0 {
		a.ASN = number(found, "autonomous_system_number", "asn")
	}
	return nil
}

// text is "" where there is something else at that place.
func text(found maxminddb.Result, path []any) (s string) {
	if found.DecodePath(&s, path...) != nil {
		return ""
	}
	return s
}

// number reads an autonomous system's, which some write as "AS64496".
func number(found maxminddb.Result, keys ...string) uint32 {
	for _, key := range keys {
		var n uint32
		if found.DecodePath(&n, key) == nil && n != 0 {
			return n
		}
		if n, err := strconv.ParseUint(strings.TrimPrefix(text(found, []any{key}), "AS"), 10, 32); err == nil {
			return uint32(n)
		}
	}
	return 0
}
