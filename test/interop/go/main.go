// A Go program that is a peer of others, by capnproto.org/go/capnp: it serves the `Peer` of peer.capnp, or runs the
// list of checks.ts against whoever serves one.
//
// usage: peer serve SOCKET       serves on a unix socket, and prints `ready`
//
//	peer join REFS NAME     serves through a broker: plugs itself in at its switchboard, and prints `ready`
//	peer check REFS [NAME]  runs the list against the reference `peer`, or who is at the switchboard as NAME
//
// REFS has lines of a name and a printed reference. No reference is ever printed.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

const (
	mebibyte = 1024 * 1024
	large    = 64 * mebibyte
	// More than any side takes.
	tooLarge = 96 * mebibyte
	// What this side takes. The library's own limit is 64 MiB, envelope and all.
	taken    = 80 * mebibyte
	patience = 20 * time.Second
)

// library is the name of the library and the version that the program was built with.
func library() string {
	const path = "capnproto.org/go/capnp/v3"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == path {
				return path + " " + strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return path
}

func main() {
	arguments := append(os.Args[1:], "", "", "")
	mode, place, name := arguments[0], arguments[1], arguments[2]
	var err error
	switch {
	case mode == "serve" && place != "":
		err = serve(place)
	case mode == "join" && name != "":
		err = join(place, name)
	case mode == "check" && place != "":
		var bad int
		if bad, err = check(place, name); bad > 0 {
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: peer serve SOCKET | join REFS NAME | check REFS [NAME]")
		os.Exit(2)
	}
	if err != nil {
		fmt.Println("not ok connect:", err)
		os.Exit(1)
	}
}
