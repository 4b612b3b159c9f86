package dpi

import "rustnet/track/event"

var (
	fieldWhoisQuery = event.AppString("whois_query", "What the client asked for.")

	whoisFields = []*event.AppField{fieldWhoisQuery}
)

// whoisKeys begin lines of the answers of registries and registrars.
var whoisKeys = [...]string{"domain name:", "domain:", "refer:", "inetnum:", "inet6num:", "netrange:", "aut-num:", "as-block:", "route:", "route6:", "orgname:",
	"registrar:", "nserver:", "name server:", "registry domain id:", "% iana whois server", "% this is the ", "# arin whois", "no match for ", "descr:",
	"person:", "netname:", "whois:"}

// whoisLine tells how much a line speaks for this protocol: 2 is enough.
func whoisLine(row []byte) int {
	for _, key := range whoisKeys {
		if len(row) < len(key) || !equalFold(row[:len(key)], key) {
			continue
		}
		if key[0] == '%' || key[0] == '#' || key[0] == 'n' && key[1] == 'o' {
			return 2
		}
		return 1
	}
	return 0
}

// parseWhois knows an answer by two different keys (RFC 3912 says nothing of its form), or by a server that says its name.
func parseWhois(c *call) verdict {
	line, answer, v := c.asked()
	if v != match {
		return v
	}
	keys, first := 0, true
	for rest := answer; keys < 2 && len(rest) > 0; {
		row, size := cutLine(rest)
		if size == 0 {
			break
		}
		rest = rest[size:]
		if row = trimSpace(row); len(row) == 0 {
			continue
		}
		n := whoisLine(row)
		if first && n == 0 && row[0] != '%' && row[0] != '#' && !containsFold(row, "whois") && !containsFold(row, "registr") {
			return no
		}
		first = false
		keys += n
	}
	if keys < 2 {
		return c.undecided()
	}
	c.setClient(Orig)
	if len(line) > 0 {
		c.fact(fieldWhoisQuery, line)
	}
	return c.finish()
}
