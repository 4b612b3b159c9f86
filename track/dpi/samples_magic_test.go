package dpi

import (
	"slices"
	"strings"
	"testing"
)

// magicSamples are of protocols that are told by how they begin. Each is as a program said it, or as the specification has it that its
// sign names.
func magicSamples() []sample {
	line := func(s string) string { return s + strings.Repeat(" ", 63-len(s)) + "\n" }
	is := func(app string) facted { return facted{"app": app} }
	return append(thingSamples(), []sample{
		streamOf("multistream", 50000, 4001, is("multistream"), "o\x13/multistream/1.0.0\n\x07/noise\n", "r\x13/multistream/1.0.0\n\x07/noise\n"),
		streamOf("tarantool", 50000, 3301, is("tarantool"), "r"+line("Tarantool 2.11.0 (Binary) 7170b4e4-0d9b-4f0a-9a2b-6f1b0b4e4f0a")+line("QK2HoFZGXTXBq2vFj7soCsHqTo6PGTF575ssUBAJLAI=")),
		streamOf("jdwp", 50000, 5005, is("jdwp"), "oJDWP-Handshake", "rJDWP-Handshake"),
		datagramsOf("artnet", 6454, 6454, is("artnet"), "oArt-Net\x00\x00\x20\x00\x0e\x02\x00"),
		datagramsOf("artnet reply", 6454, 6454, is("artnet"), "oArt-Net\x00\x00\x21\x0a\x00\x00\x02\x36\x19"+nuls(220)),
		datagramsOf("acn", 50000, 5568, is("acn"), "o\x00\x10\x00\x00ASC-E1.17\x00\x00\x00\x72\x6e\x00\x00\x00\x04"+nuls(616)),
	}...)
}

// TestSigns holds that there is a sample of every sign.
func TestSigns(t *testing.T) {
	for _, s := range slices.Concat(streamSigns, datagramSigns) {
		if !slices.ContainsFunc(samples(), func(x sample) bool { return x.want["app"] == s.app }) {
			t.Errorf("no sample of %s", s.app)
		}
	}
}
