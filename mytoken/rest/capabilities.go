package rest

import (
	"net/http"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// capabilities lists all capabilities as a tree (protocol section 5.25). It needs no
// token, because the list is the same for everybody.
func capabilities(*call) (*answer, error) {
	return &answer{status: http.StatusOK, body: capabilityTree(capability.Tree()), public: true}, nil
}

func capabilityTree(nodes []capability.Node) []wire.Capability {
	var out []wire.Capability
	for _, n := range nodes {
		entry := wire.Capability{ReadWrite: capabilityInfo(n.Capability), Children: capabilityTree(n.Children)}
		if n.Read != "" {
			read := capabilityInfo(n.Read)
			entry.ReadOnly = &read
		}
		out = append(out, entry)
	}
	return out
}

func capabilityInfo(c capability.Capability) wire.CapabilityInfo {
	return wire.CapabilityInfo{Name: string(c), Description: c.Describe(), IsReadOnly: c.ReadOnly(), Level: c.Level().String()}
}
