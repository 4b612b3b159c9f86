package output

import (
	"bytes"
	"testing"
)

func TestWriteList(t *testing.T) {
	columns := []string{"name", "index", "up", "kind", "addresses"}
	rows := [][]any{{"lo", 1, true, "", []string{"127.0.0.1/8", "::1/128"}}, {"a\x1b,é", 22, false, "", []string{}}}
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"json", Config{Format: JSON}, `{"name":"lo","index":1,"up":true,"addresses":["127.0.0.1/8","::1/128"]}` + "\n" + `{"name":"a\u001b,é","index":22,"up":false}` + "\n"},
		{"csv", Config{Format: CSV}, "name,index,up,kind,addresses\r\nlo,1,true,,127.0.0.1/8 ::1/128\r\n\"a\x1b,é\",22,false,,\r\n"},
		{"csv without header", Config{Format: CSV, NoHeader: true}, "lo,1,true,,127.0.0.1/8 ::1/128\r\n\"a\x1b,é\",22,false,,\r\n"},
		{"csv on a terminal", Config{Format: CSV, Width: 80, NoHeader: true}, "lo,1,true,,127.0.0.1/8 ::1/128\r\n\"a\\x1b,é\",22,false,,\r\n"},
		{"table", Config{Format: Table}, "NAME     INDEX  UP   ADDRESSES\nlo       1      yes  127.0.0.1/8 ::1/128\na\\x1b,é  22     no\n"},
		{"table without header", Config{NoHeader: true}, "lo       1   yes  127.0.0.1/8 ::1/128\na\\x1b,é  22  no\n"},
	} {
		var b bytes.Buffer
		if err := WriteList(&b, tc.cfg, columns, rows); err != nil || b.String() != tc.want {
			t.Errorf("%s: %v\n got %q\nwant %q", tc.name, err, b.String(), tc.want)
		}
	}
	var b bytes.Buffer
	if err := WriteList(&b, Config{Format: JSON}, columns[:1], [][]any{{"é\u009b1m\u202e"}}); err != nil || b.String() != `{"name":"é\u009b1m\u202e"}`+"\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
	b.Reset()
	if err := WriteList(&b, Config{}, columns, nil); err != nil || b.Len() != 0 {
		t.Errorf("of nothing: got %q, %v", b.String(), err)
	}
}
