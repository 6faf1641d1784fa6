package wire

import "github.com/go-json-experiment/json"

// Marshal encodes an object of this package. As the protocol requires, a nil list becomes
// null unless its tag omits it.
func Marshal(v any) ([]byte, error) {
	return json.Marshal(v, json.FormatNilSliceAsNull(true))
}

// Unmarshal decodes an object of this package. It accepts names in any case and ignores
// unknown members (protocol section 0). It refuses a repeated member.
func Unmarshal(data []byte, v any) error {
	return json.Unmarshal(data, v, json.MatchCaseInsensitiveNames(true))
}
