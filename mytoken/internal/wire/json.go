package wire

import "github.com/go-json-experiment/json"

// Marshal encodes an object of this package. A nil list becomes null unless its member is
// omitted, as the protocol requires.
func Marshal(v any) ([]byte, error) {
	return json.Marshal(v, json.FormatNilSliceAsNull(true))
}

// Unmarshal decodes an object of this package. It accepts names in any case and ignores
// unknown members (protocol section 0). It refuses a repeated member.
func Unmarshal(data []byte, v any) error {
	return json.Unmarshal(data, v, json.MatchCaseInsensitiveNames(true))
}
