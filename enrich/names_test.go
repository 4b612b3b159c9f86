package enrich

import (
	"encoding/binary"
	"testing"
)

func TestArgumentsOf(t *testing.T) {
	args := func(n uint32, rest string) []byte { return append(binary.NativeEndian.AppendUint32(nil, n), rest...) }
	const said = "/usr/bin/curl\x00\x00\x00\x00curl\x00-s\x00http://app.demo.io/\x00HOME=/root\x00"
	for name, tc := range map[string]struct {
		b    []byte
		want string
	}{
		"some":                   {args(3, said), "curl -s http://app.demo.io/"},
		"fewer":                  {args(1, said), "curl"},
		"none":                   {args(0, said), ""},
		"more than there are":    {args(9, said), "curl -s http://app.demo.io/ HOME=/root"},
		"more than there can be": {args(1<<32-1, said), "curl -s http://app.demo.io/ HOME=/root"},
		"the last without end":   {args(3, said[:len(said)-13]), "curl -s http://app.demo.io"},
		"the path alone":         {args(1, "/usr/bin/curl"), ""},
		"nothing":                {nil, ""},
		"less than a number":     {[]byte{1, 0}, ""},
	} {
		if got := joinArgs(argumentsOf(tc.b)); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
