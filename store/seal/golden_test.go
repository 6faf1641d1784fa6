package seal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// The golden file holds values that every version of this package has to open, now and
// later. Nothing in it is random. Each key and each nonce is one byte repeated, and
// reference_test.go seals with them, independently of the package. So running
//
//	go test ./store/seal -run TestGolden -update
//
// writes the same file again. A difference means that the format has changed, and that
// existing databases no longer open. Give new formats new numbers and new entries, and
// keep the old entries.
var update = flag.Bool("update", false, "write testdata/golden.json")

const goldenFile = "testdata/golden.json"

type golden struct {
	Key     string         `json:"key"` // text of the server key
	KeyID   string         `json:"key_id"`
	DataKey string         `json:"data_key"`
	Values  []goldenValue  `json:"values"`
	Lookups []goldenLookup `json:"lookups"`
}

type goldenValue struct {
	Name string `json:"name"`
	// The place, or the row of a box.
	Kind store.PlaceKind `json:"kind,omitempty"`
	ID   string          `json:"id,omitempty"`
	N    uint64          `json:"n,omitempty"`
	Row  string          `json:"row,omitempty"`
	// The key of the inner layer: a data key, a secret, or neither.
	DataKey   bool         `json:"with_data_key,omitempty"`
	Purpose   seal.Purpose `json:"purpose,omitempty"`
	Secret    string       `json:"secret,omitempty"`
	Plaintext string       `json:"plaintext"`
	Sealed    string       `json:"sealed"`
}

type goldenLookup struct {
	Kind store.TicketKind `json:"kind"` // TicketShort: ShortTokenID
	Code string           `json:"code"`
	ID   string           `json:"id"`
}

func TestGolden(t *testing.T) {
	want := goldenReference()
	encoded := append(must(json.MarshalIndent(want, "", "  ")), '\n')
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(goldenFile, encoded, 0o644))
	}
	file, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	assert.Equal(t, string(file), string(encoded), "the documented format is another one")

	var g golden
	require.NoError(t, json.Unmarshal(file, &g))
	key := must(seal.ParseKey(g.Key))
	assert.Equal(t, g.KeyID, key.ID().String())
	assert.Equal(t, g.Key, key.Reveal())
	dataKey := must(seal.ParseDataKey(unhex(t, g.DataKey)))
	// The golden key is no longer the active one, as after years.
	r, b := ring(t, seal.NewKey(), key), box(t, seal.NewKey(), key)

	require.NotEmpty(t, g.Values)
	for _, v := range g.Values {
		t.Run(v.Name, func(t *testing.T) {
			place := store.Place{Kind: v.Kind, ID: string(unhex(t, v.ID)), N: v.N}
			sealed := unhex(t, v.Sealed)
			var got []byte
			var err error
			switch {
			case v.Row != "":
				got, err = b.Open(v.Row, sealed)
			case v.DataKey:
				got, err = r.OpenWith(place, dataKey, sealed)
			case v.Secret != "":
				got, err = r.OpenWith(place, seal.FromSecret(v.Purpose, v.Secret), sealed)
			default:
				got, err = r.Open(place, sealed)
			}
			require.NoError(t, err)
			assert.Equal(t, v.Plaintext, string(got))
		})
	}

	require.NotEmpty(t, g.Lookups)
	for _, l := range g.Lookups {
		var got store.TicketID
		if l.Kind == store.TicketShort {
			got = seal.ShortTokenID(l.Code)
		} else {
			got = ring(t, key).Lookup(l.Kind, l.Code)[0]
		}
		assert.Equal(t, l.ID, hex.EncodeToString(got[:]), "look-up of kind %d", l.Kind)
	}
}

// goldenReference makes the golden file.
func goldenReference() golden {
	key, dataKey := bytes.Repeat([]byte{0x4b}, 32), bytes.Repeat([]byte{0x44}, 32)
	outerNonce, innerNonce := bytes.Repeat([]byte{0x0a}, 12), bytes.Repeat([]byte{0x0b}, 12)
	g := golden{Key: refKeyText(key), KeyID: hex.EncodeToString(refKeyID(key)), DataKey: hex.EncodeToString(dataKey)}

	place := func(name string, p store.Place, plaintext string) *goldenValue {
		g.Values = append(g.Values, goldenValue{
			Name: name, Kind: p.Kind, ID: hex.EncodeToString([]byte(p.ID)), N: p.N, Plaintext: plaintext,
			Sealed: hex.EncodeToString(refSeal(1, key, "store", refBinding(p), outerNonce, []byte(plaintext))),
		})
		return &g.Values[len(g.Values)-1]
	}
	within := func(name string, p store.Place, inner []byte, plaintext string) *goldenValue {
		v := place(name, p, plaintext)
		layer := refInner(inner, refBinding(p), innerNonce, []byte(plaintext))
		v.Sealed = hex.EncodeToString(refSeal(2, key, "store", refBinding(p), outerNonce, layer))
		return v
	}
	withSecret := func(name string, p store.Place, purpose seal.Purpose, secret, plaintext string) {
		v := within(name, p, refSecret(string(purpose), secret), plaintext)
		v.Purpose, v.Secret = purpose, secret
	}
	row := func(name, row, plaintext string) {
		g.Values = append(g.Values, goldenValue{Name: name, Row: row, Plaintext: plaintext,
			Sealed: hex.EncodeToString(refSeal(3, key, "box", []byte(row), outerNonce, []byte(plaintext)))})
	}

	const token, code, short = "header.claims.signature", "transfercode", "an example of a short token, long enough"
	transfer := ticket(store.TicketTransfer, 0x31)
	place("one layer", store.AboutPlace(tokenID(0x21)), `{"name":"job 4711"}`)
	place("empty", store.AboutPlace(tokenID(0x22)), "")
	within("refresh token", store.RefreshTokenPlace(grantID(0x11), 7), dataKey, "a refresh token").DataKey = true
	withSecret("key of a grant", store.TokenKeyPlace(tokenID(0x21), 3), seal.PurposeTokenKey, token, string(dataKey))
	withSecret("successor", store.SuccessorPlace(tokenID(0x21), 3), seal.PurposeSuccessor, token, "the next token")
	withSecret("ticket key", store.TicketKeyPlace(transfer), seal.PurposeTicketKey, code, string(dataKey))
	withSecret("ticket payload", store.TicketPayloadPlace(transfer), seal.PurposeTicketPayload, code, "a token")
	row("box", "jobs/4711/token", token)

	for kind := store.TicketState; kind <= store.TicketTransfer; kind++ {
		g.Lookups = append(g.Lookups, goldenLookup{kind, code, hex.EncodeToString(refLookup(key, byte(kind), code))})
	}
	id := sha256.Sum256([]byte(short))
	g.Lookups = append(g.Lookups, goldenLookup{store.TicketShort, short, hex.EncodeToString(id[:])})
	return g
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}
