// Package clientsfile reads which clients may introspect tokens.
package clientsfile

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mytoken-go/sdk/mytoken/rest"
)

// Read reads a file with a line for each client: its id, a colon, and the SHA-256 sum of its
// secret in hexadecimal. It skips empty lines and those that begin with #. An error names
// the line, and shows nothing of it.
//
// The file holds no secret. So that nobody finds one by trying, draw each at random, 128
// bits at least:
//
//	secret=$(openssl rand -hex 32)
//	echo "compute:$(printf %s "$secret" | sha256sum | cut -d' ' -f1)" >> clients
func Read(name string) ([]rest.Client, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var clients []rest.Client
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		id, text, _ := strings.Cut(line, ":")
		sum, err := hex.DecodeString(text)
		if id == "" || err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("%s: line %d is not an id, a colon and the SHA-256 sum of a secret, 64 hexadecimal digits", name, n)
		}
		clients = append(clients, rest.Client{ID: id, SecretSum: [sha256.Size]byte(sum)})
	}
	if lines.Err() == nil && len(clients) == 0 {
		return nil, errors.New(name + ": no client is in it")
	}
	return clients, lines.Err()
}
