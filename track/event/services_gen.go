//go:build ignore

// services_gen writes services.txt from the tables of gopacket/layers, which are made from IANA's
// register of service names and ports (https://www.iana.org/assignments/service-names-port-numbers).
// The version in go.mod decides, so that everybody who runs `go generate` gets the same file.
package main

import (
	"fmt"
	"log"
	"os"
	"regexp"
	"sort"
	"strings"

	"github.com/google/gopacket/layers"
)

// described are names that the tables have from the register's column of descriptions, and what they are in that of names.
var described = map[string]string{"Apple Remote Desktop (Net Assistant)": "net-assistant", "Escale (Newton Dock)": "newton-dock"}

// spelt is how names are (RFC 6335 section 5.1); a few that are older have an underscore.
var spelt = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,13}[A-Za-z0-9])?$`)

func main() {
	over := map[int]map[string]string{} // port → name → transports
	add := func(port int, name, transport string) {
		if right, ok := described[name]; ok {
			name = right
		}
		if !spelt.MatchString(name) {
			log.Fatalf("port %d: %q is a description, not a name", port, name)
		}
		if over[port] == nil {
			over[port] = map[string]string{}
		}
		over[port][name] += transport
	}
	for p, n := range layers.TCPPortNames {
		add(int(p), n, "t")
	}
	for p, n := range layers.UDPPortNames {
		add(int(p), n, "u")
	}
	for p, n := range layers.SCTPPortNames {
		add(int(p), n, "s")
	}
	var lines []string
	for port, names := range over {
		for name, transports := range names {
			lines = append(lines, fmt.Sprintf("%d %s %s\n", port, name, transports))
		}
	}
	sort.Slice(lines, func(i, j int) bool {
		var a, b int
		fmt.Sscan(lines[i], &a)
		fmt.Sscan(lines[j], &b)
		return a < b || a == b && lines[i] < lines[j]
	})
	if err := os.WriteFile("services.txt", []byte(strings.Join(lines, "")), 0o644); err != nil {
		log.Fatal(err)
	}
}
