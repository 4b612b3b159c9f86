//go:build ignore

// services_gen writes services.txt from the tables of gopacket/layers, which are made from IANA's
// register of service names and ports (https://www.iana.org/assignments/service-names-port-numbers).
// The version in go.mod decides, so that everybody who runs `go generate` gets the same file.
package main

import (
	"fmt"
	"log"
	"os"
	"sort"
	"strings"

	"github.com/google/gopacket/layers"
)

func main() {
	over := map[int]map[string]string{} // port → name → transports
	add := func(port int, name, transport string) {
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
