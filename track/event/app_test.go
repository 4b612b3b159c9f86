package event

import (
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// fields that no parser has.
var testText, testNumber, testTime, testFlag, testTexts = AppString("app_text", "A text."), AppUint("app_number", "", "A number."),
	AppTime("app_time", "A time."), AppBool("app_flag", "A flag."), AppList("app_list", "A list.")

func TestAppValues(t *testing.T) {
	numbers := []uint64{0, 1, 1<<32 - 1, 1 << 32, 1<<40 - 1, 1 << 40, 1<<40 + 1, 1e9, 1 << 34 * 1e9, 1<<34*1e9 + 1, math.MaxInt64, math.MaxUint64, math.MaxUint64 / 1e9 * 1e9}
	for _, a := range []*App{{}, NewApp(), NewLargeApp()} {
		for _, text := range []string{"", "x", strings.Repeat("long", 1000)} {
			if a.SetStr(testText, text); a.Str(testText) != text || !a.Has(testText) {
				t.Errorf("got text %q, want %q", a.Str(testText), text)
			}
		}
		for _, list := range [][]string{nil, {}, {"a"}, {"", "b", "c"}} {
			if a.SetList(testTexts, list); !slices.Equal(a.List(testTexts), list) {
				t.Errorf("got list %q, want %q", a.List(testTexts), list)
			}
		}
		for _, n := range numbers {
			a.SetUint(testNumber, n)
			if got, ok := a.Uint(testNumber); got != n || !ok {
				t.Errorf("got number %d %v, want %d", got, ok, n)
			}
			if n == 0 {
				n = 1
			}
			a.SetTime(testTime, int64(n))
			if got, ok := a.Uint(testTime); got != n || !ok {
				t.Errorf("got time %d %v, want %d", got, ok, n)
			}
		}
		for _, is := range []bool{true, false} {
			a.SetBool(testFlag, is)
			if n, ok := a.Uint(testFlag); n != 0 != is || !ok {
				t.Errorf("got flag %d %v, want %v", n, ok, is)
			}
		}
		a.SetStr(testText, "said")
		c := a.Clone()
		c.SetStr(testText, "said later")
		c.SetList(testTexts, []string{"other"})
		if a.Str(testText) != "said" || !slices.Equal(a.List(testTexts), []string{"", "b", "c"}) || c.Str(testText) != "said later" {
			t.Errorf("a changed clone is %q, and what it was cloned from %q %q", c.Str(testText), a.Str(testText), a.List(testTexts))
		}
		if got := []string{a.Fact(0), a.Fact(1), a.Fact(2), a.Fact(5)}; !slices.Equal(got, []string{"said", "", "", ""}) {
			t.Errorf("got facts %q, want the text alone", got)
		}
	}
	all := []*AppField{}
	for range 300 { // more than any connection has
		all = append(all, &AppField{index: uint16(1000 + len(all))})
	}
	a := &App{}
	for i, f := range all {
		a.SetUint(f, uint64(i))
	}
	for i, f := range all[:200] {
		if n, ok := a.Clone().Uint(f); n != uint64(i) || !ok {
			t.Errorf("value %d of many is %d %v", i, n, ok)
		}
	}
	if a := (&App{}).With(&App{}); a.Has(testText) {
		t.Error("a field is there that nobody set")
	}
}

// TestAppAllocs holds what an App costs: many connections are open that say little.
func TestAppAllocs(t *testing.T) {
	if n := unsafe.Sizeof(AppValue{}); n > 16 {
		t.Errorf("a value takes %d bytes, want at most 16", n)
	}
	if n := unsafe.Sizeof(roomyApp{}); n > 128 {
		t.Errorf("an App takes %d bytes, want at most 128", n)
	}
	text, list := "text", []string{"text"}
	if n := testing.AllocsPerRun(100, func() {
		a := NewApp()
		a.SetStr(testText, text)
		a.SetUint(testNumber, 1<<40-1)
		a.SetTime(testTime, 1700000000e9)
		a.SetBool(testFlag, true)
		a.SetList(testTexts, list)
	}); n > 1 {
		t.Errorf("an App of five values allocates %v times, want once", n)
	}
}
