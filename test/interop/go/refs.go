package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// refs is a file of references: secrets by their names, and the socket that they share.
type refs struct {
	path    string
	secrets map[string][]byte
}

func readRefs(file string) (*refs, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	read := &refs{secrets: map[string][]byte{}}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		name, printed, _ := strings.Cut(line, " ")
		place, secret, found := strings.Cut(printed, "#")
		if !found {
			return nil, errors.New("a line of the file of references is malformed")
		}
		if read.secrets[name], err = base64.RawURLEncoding.DecodeString(secret); err != nil {
			return nil, fmt.Errorf("the secret of %s is not base64url", name)
		}
		if read.path, err = url.PathUnescape(strings.TrimPrefix(place, "sturdy+unix://")); err != nil {
			return nil, err
		}
	}
	return read, nil
}
