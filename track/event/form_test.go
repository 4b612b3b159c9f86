package event

import (
	"slices"
	"strings"
	"testing"
)

func TestForm(t *testing.T) {
	version := OneOf("", "one", "two", "").OrNumber("V", 20, func(n uint64) string { return []string{"", "one", "two", ""}[min(n, 3)] }).
		Elsewhere(map[string]string{"uno": "one"})
	for _, c := range []struct {
		name string
		form Form
		op   Op
		text string
		near string // what is meant; "+" = it can be, "" = it can not be and nothing is near
	}{
		{"any", Form{}, Equal, "x", "+"},
		{"word", version, Equal, "one", "+"},
		{"word in capitals", version, Equal, "ONE", "one"},
		{"word nearly", version, Equal, "oen", "one"},
		{"word elsewhere", version, Equal, "Uno", "one"},
		{"number", version, Equal, "V20", "+"},
		{"number that has a word", version, Equal, "V1", "one"},
		{"bare number that has a word", version, Equal, "2", "two"},
		{"bare number", version, Equal, "7", "V7"},
		{"number too large", version, Equal, "V21", ""},
		{"number with zeros", version, Equal, "V07", "V7"},
		{"begins as a word", version, Prefix, "tw", "+"},
		{"begins as a number", version, Prefix, "V1", "+"},
		{"begins otherwise", version, Prefix, "wo", ""},
		{"ends as a word", version, Suffix, "wo", "+"},
		{"ends as a number", version, Suffix, "3", "+"},
		{"within a word", version, Contains, "w", "+"},
		{"within nothing", version, Contains, "z", ""},
		{"within in capitals", version, Contains, "WO", "wo"},
		{"nothing asked", version, Contains, "", "+"},
		{"no value", version, Equal, "", "+"},
		{"small", Small, Equal, "a.B", "a.b"},
		{"small beginning", Small, Prefix, "É b", "+"},
		{"capital", Capital, Suffix, "a", "A"},
		{"host", Host, Equal, "App.Demo.io.", "app.demo.io"},
		{"host's end", Host, Suffix, ".io.", ".io"},
		{"host's end without dot", Host, Suffix, ".IO", ".io"},
		{"host's middle", Host, Contains, "demo.", "+"},
		{"host's beginning", Host, Prefix, "app.", "+"},
		{"MAC with dashes", MAC, Equal, "02-00-5E-10-00-01", "02:00:5e:10:00:01"},
		{"MAC of Cisco", MAC, Equal, "0200.5e10.0001", "02:00:5e:10:00:01"},
		{"maker of a MAC", MAC, Prefix, "02:00:5E", "02:00:5e"},
		{"maker with dashes", MAC, Prefix, "02-00-5e", "02:00:5e"},
		{"middle of a MAC", MAC, Contains, "0:5e:1", "+"},
		{"half of an octet too far", MAC, Contains, "00:5:", ""},
		{"digits with colons", Hex(4), Equal, "AB:CD", "abcd"},
		{"too few digits", Hex(4), Equal, "abc", ""},
		{"few digits begin", Hex(4), Prefix, "abc", "+"},
		{"too many digits", Hex(4), Contains, "abcde", ""},
		{"any number of digits", Hex(0), Equal, "0xABCDE", "abcde"},
		{"address", Address, Equal, "2001:DB8:0::1", "2001:db8::1"},
		{"address beginning", Address, Prefix, "10.", "+"},
		{"address's middle", Address, Contains, "localhost", ""},
		{"address with a zone", Address, Equal, "fe80::1%eth0", "fe80::1"},
		{"end without port", Endpoint, Equal, "192.0.2.7", ""},
		{"end of version 6", Endpoint, Equal, "[2001:DB8::1]:443", "[2001:db8::1]:443"},
		{"method", Method, Equal, "get", "GET"},
		{"method's beginning", Method, Prefix, "P", "+"},
		{"program by its name", FromRoot, Equal, "curl", ""},
		{"program's end", FromRoot, Suffix, "/curl", "+"},
		{"program on Windows", FromRoot, Equal, `C:\curl.exe`, "+"},
		{"line's end within", FromRoot, Equal, "/a\nb", "+"},
		{"version with a letter", Dotted, Equal, "v1.2", "1.2"},
	} {
		if got := c.form.Can(c.op, c.text); got != (c.near == "+") {
			t.Errorf("%s: can %s %q: got %v", c.name, c.op, c.text, got)
		} else if near := c.form.Nearest(c.op, c.text); !got && near != c.near {
			t.Errorf("%s: nearest to %q: got %q, want %q", c.name, c.text, near, c.near)
		}
	}
}

// TestFormsOfFields: every declaration holds together, and no example or word of it is refused.
func TestFormsOfFields(t *testing.T) {
	for _, f := range NewSchema(nil).Fields {
		form := f.Form()
		if form == nil {
			continue
		}
		if f.Type != String && f.Type != List && f.Type != Addr && f.Type != ID {
			t.Errorf("%s is a %s: it has no spelling", f.Name, f.Type)
		}
		form.check(t, f.Name)
	}
	if form := NewSchema(nil, "tls", "http").Lookup("app").Form(); form.Can(Equal, "htp") || form.Nearest(Equal, "htp") != "http" {
		t.Error("app: a schema that knows all applications takes another one")
	}
	if form := NewSchema(nil, "tls").Stored().Lookup("app").Form(); !form.Can(Equal, "later") || form.Can(Equal, "Later") {
		t.Error("app: of records that are read back a later version may have written others, in small letters")
	}
}

func (f *Form) check(t *testing.T, name string) {
	t.Helper()
	words := f.Words()
	if slices.Contains(words, "") {
		t.Errorf("%s: a word is empty", name)
	}
	for _, text := range append(slices.Clone(words[:min(len(words), 12)]), f.Example) {
		for _, op := range []Op{Equal, Prefix, Suffix, Contains} {
			if !f.Can(op, text) {
				t.Errorf("%s: can not %s %q, which it can be", name, op, text)
			}
		}
		for i := range text {
			if !f.Can(Prefix, text[:i]) || !f.Can(Suffix, text[i:]) || !f.Can(Contains, text[i/2:i]) {
				t.Errorf("%s: a part of %q is refused", name, text)
			}
		}
	}
	for other, here := range f.elsewhere {
		if other != strings.ToLower(other) || f.Can(Equal, other) || f.Nearest(Equal, other) != here {
			t.Errorf("%s: elsewhere %q: can be it: %v, nearest %q, want %q", name, other, f.Can(Equal, other), f.Nearest(Equal, other), here)
		}
	}
}

// FuzzForm: what a whole text can be, its parts can be.
func FuzzForm(f *testing.F) {
	for _, x := range []string{"app.demo.io", "02:00:5e:10:00:01", "192.0.2.7:443", "SSH-2.0-x", "", "\xff\x00é"} {
		f.Add(x, 1, 3)
	}
	forms := []Form{Small, Capital, Host, Method, MAC, Address, Endpoint, Dotted, FromRoot, Hex(4), OneOf("app.demo.io", "x").OrNumber("T", 99, func(uint64) string { return "" })}
	f.Fuzz(func(t *testing.T, text string, from, to int) {
		from, to = min(max(from, 0), len(text)), min(max(to, 0), len(text))
		for i := range forms {
			form := &forms[i]
			near := form.Nearest(Equal, text)
			if near != "" && !form.Can(Equal, near) {
				t.Errorf("form %d: %q is nearest to %q and can not be", i, near, text)
			}
			if form.Can(Equal, text) && (!form.Can(Prefix, text[:from]) || !form.Can(Suffix, text[from:]) || from < to && !form.Can(Contains, text[from:to])) {
				t.Errorf("form %d: %q can be, and a part of it at %d to %d can not", i, text, from, to)
			}
		}
	})
}
