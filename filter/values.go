package filter

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"rustnet/track/event"
)

// What a field can never be, no record has: a filter that asks for it would be silent for ever, which looks like nothing having
// happened. It is a mistake as an unknown field is.

// compared looks at what a field is compared with where that is written out. The empty text asks whether there is a value at all.
func (r *rewriter) compared(field, value ast.Node) {
	id, ok := field.(*ast.IdentifierNode)
	if !ok {
		return
	}
	f := r.schema.Lookup(id.Value)
	if f == nil {
		return
	}
	values := []ast.Node{value}
	if list, ok := value.(*ast.ArrayNode); ok {
		values = list.Nodes
	}
	for _, v := range values {
		switch v := v.(type) {
		case *ast.StringNode:
			if v.Value != "" {
				if why := never(f, v.Value); why != "" {
					r.fail(v, "%s", why)
				}
			}
		case *ast.NilNode:
			r.fail(v, `%s is never nil: of what is not known a text is "", a number 0, a list empty`, f.Name)
		}
	}
}

// never says why the field is never this text, "" where it may be.
func never(f *event.Field, text string) string {
	switch {
	case f.Type == event.Addr:
		return notAddress(f.Name, text)
	case f.Type == event.ID:
		if n, err := strconv.ParseUint(text, 16, 64); err != nil || text != fmt.Sprintf("%016x", n) {
			return fmt.Sprintf(`%s is 16 hexadecimal digits in small letters, as "687e26803744002d", or startsWith the first of them`, f.Name)
		}
	case f.Name == "app":
		near := otherApps[strings.ToLower(text)]
		if small := strings.ToLower(text); near == "" && small != text {
			near = small
		}
		if near != "" {
			return fmt.Sprintf("app is never %q (did you mean %q?)", text, near)
		}
	case f.Name == "country":
		if len(text) != 2 || text[0] < 'A' || text[0] > 'Z' || text[1] < 'A' || text[1] > 'Z' {
			return `country is two capital letters (ISO 3166), as "NL"`
		}
	case f.Name == "host":
		if as := strings.TrimSuffix(strings.ToLower(text), "."); as != text && as != "" {
			return fmt.Sprintf("host is written in small letters, without a dot at its end (did you mean %q?)", as)
		}
	default:
		words := f.Vocabulary()
		if words == nil || slices.Contains(words, text) {
			return ""
		}
		near := event.Nearest(text, words)
		if n, err := strconv.Atoi(text); err == nil && f.Name == "proto" {
			if n < 0 || n > 255 {
				return fmt.Sprintf("proto is never %q: it is a name, or a number up to 255 that has none", text)
			}
			near = event.ProtoName(uint16(n))
		}
		switch {
		case near != "":
			return fmt.Sprintf("%s is never %q (did you mean %q?)", f.Name, text, near)
		case len(words) <= 16:
			return fmt.Sprintf("%s is never %q (it is one of %s)", f.Name, text, strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" }), ", "))
		}
		return fmt.Sprintf("%s is never %q", f.Name, text)
	}
	return ""
}

// otherApps are names that are usual for what app calls otherwise.
var otherApps = map[string]string{"ssl": "tls", "https": "tls", "postgres": "postgresql", "pgsql": "postgresql", "mssql": "tds", "ike": "isakmp", "kerberos5": "kerberos",
	"krb5": "kerberos", "cifs": "smb", "samba": "smb", "ms-rdp": "rdp", "memcache": "memcached", "mongo": "mongodb"}

func notAddress(name, text string) string {
	a, err := netip.ParseAddr(text)
	switch {
	case err == nil && a.Zone() != "":
		return fmt.Sprintf("%s is an address without a zone, as %q (iface is the interface)", name, a.WithZone(""))
	case err == nil && a.String() != text:
		return fmt.Sprintf("%s is never written %q (did you mean %q?)", name, text, a)
	case err == nil:
		return ""
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		return fmt.Sprintf("%q is a network, as in: cidr(%s, %q)", text, name, text)
	}
	return fmt.Sprintf("%q is no address (host is the name)", text)
}
