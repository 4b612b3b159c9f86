package track

import (
	"fmt"
	"strings"
	"testing"

	"rustnet/track/event"
)

// TestTimes: how long connecting and the first answer took, as the last record has it: "connect response", in microseconds, "-" where
// that is not known.
func TestTimes(t *testing.T) {
	const opened = "0ms > S 100\n20ms < SA 500 101\n21ms > A 101 501\n"
	for _, c := range []struct{ name, script, want string }{
		{"a request and its answer", opened + "30ms > A 101 501 10\n90ms < A 501 111 20\n95ms > A 111 521 10\n400ms < A 521 121 5", "21000 60000"},
		{"a request of several segments", opened + "30ms > A 101 501 10\n50ms > A 111 501 10\n90ms < A 501 121 20", "21000 40000"},
		{"a request that is acknowledged first", opened + "30ms > A 101 501 10\n51ms < A 501 111\n90ms < A 501 111 20", "21000 60000"},
		{"a request sent again", opened + "30ms > A 101 501 10\n230ms > A 101 501 10\n290ms < A 501 111 20", "21000 260000"},
		{"a request of which a segment was not captured", opened + "30ms > A 101 501 10\n40ms > A 121 501 10\n90ms < A 501 131 20", "21000 50000"},
		{"the second segment overtakes the first", opened + "30ms > A 111 501 10\n31ms > A 101 501 10\n90ms < A 501 121 20", "21000 60000"},
		{"the responder speaks first", opened + "71ms < A 501 101 20\n80ms > A 101 521 10\n90ms < A 521 111 20", "21000 50000"},
		{"both at once", opened + "71ms < A 501 101 20\n71ms > A 101 501 10", "21000 50000"},
		{"no answer", opened + "30ms > A 101 501 10\n51ms < A 501 111", "21000 -"},
		{"nothing is said", opened, "21000 -"},
		{"the answer comes with the end", opened + "30ms > FA 101 501 10\n90ms < FA 501 112 20", "21000 60000"},
		{"an end without answer", opened + "30ms > A 101 501 10\n90ms < FA 501 111\n91ms > FA 111 502", "21000 -"},
		{"keep-alives are no data", opened + "30ms > A 101 501 10\n50ms > A 110 501 1\n90ms < A 501 111 20", "21000 60000"},
		{"the SYN was sent again", "0ms > S 100\n1000ms > S 100\n1020ms < SA 500 101\n1021ms > A 101 501", "1021000 -"},
		{"the SYN-ACK was sent again", "0ms > S 100\n20ms < SA 500 101\n1020ms < SA 500 101\n1021ms > A 101 501", "1021000 -"},
		{"no handshake", "0ms > S 100\n20ms < SA 500 101", "- -"},
		{"refused", "0ms > S 100\n20ms < RA 0 101", "- -"},
		{"the request acknowledges the SYN-ACK", "0ms > S 100\n20ms < SA 500 101\n25ms > A 101 501 10\n60ms < A 501 111 20", "25000 35000"},
		{"the acknowledgement of the SYN-ACK was not captured", "0ms > S 100\n20ms < SA 500 101\n60ms < A 501 111 20\n61ms > A 111 521", "60000 -"},
		{"data on the SYN", "0ms > S 100 0 10\n20ms < SA 500 111\n21ms > A 111 501\n50ms < A 501 111 20", "21000 29000"},
		{"data on the SYN, and an answer to it before the handshake ends", "0ms > S 100 0 10\n20ms < SA 500 111\n21ms < A 501 111 20\n22ms > A 111 521", "21000 21000"},
		{"the start was not seen", "0ms > A 101 501 10\n50ms < A 501 111 20\n60ms > A 111 521", "- -"},
		{"the SYN-ACK was seen first", "0ms < SA 500 101\n1ms > A 101 501 10\n50ms < A 501 111 20", "- -"},
		{"the SYN was captured behind what it begins", "5ms > A 101 501 10\n0ms > S 100\n20ms < SA 500 101\n65ms < A 501 111 20", "- 60000"},
		{"within a microsecond", "0ms > S 100\n100ns < SA 500 101\n200ns > A 101 501 10\n300ns < A 501 111 20", "1 1"},
		{"time goes back", opened + "30ms > A 101 501 10\n10ms < A 501 111 20", "21000 -"},
		{"after more than an hour's silence", opened + "30ms > A 101 501 10\n4700s < A 501 111 20", "21000 -"},
		{"datagrams", "0ms > udp 30\n40ms < udp 50\n50ms > udp 30\n300ms < udp 50", "- 40000"},
		{"a question asked again", "0ms > udp 30\n1000ms > udp 30\n1040ms < udp 50", "- 40000"},
		{"no answer to a datagram", "0ms > udp 30\n1000ms > udp 30", "- -"},
		{"empty datagrams", "0ms > udp 0\n10ms > udp 30\n15ms < udp 0\n40ms < udp 50", "- 30000"},
		{"a datagram captured behind a later one", "10ms > udp 30\n0ms > udp 20\n40ms < udp 50", "- 30000"},
		{"echoes are of rtt_ms", "0ms > echo 1\n10ms < reply 1", "- -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig()
			es, _ := run(t, cfg, script(t, c.script), 1)
			shown := func(v uint32) string {
				if v == 0 {
					return "-"
				}
				return fmt.Sprint(v)
			}
			var got []string
			for i := range es {
				if e := &es[i]; e.Kind == event.Closed {
					got = append(got, shown(e.ConnectMicros)+" "+shown(e.ResponseMicros))
				}
			}
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
