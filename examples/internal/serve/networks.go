package serve

import (
	"net/netip"
	"strings"
)

// Networks reads networks such as 10.0.0.7/32,192.0.2.0/29, with commas or spaces between
// them.
func Networks(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for text := range strings.FieldsSeq(strings.ReplaceAll(list, ",", " ")) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		out = append(out, network)
	}
	return out, nil
}
