package rest

import (
	"bytes"
	"maps"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// metadata holds the encoded documents for a set of keys. They are cached, because
// oidc-agent reads one before every poll. Only a change of the keys changes them (D86).
type metadata struct {
	keys    []byte // as a JWK set
	mytoken []byte
	oauth   []byte
}

// documents returns the documents for the present keys.
func (h *Handler) documents() (*metadata, error) {
	keys := h.issuer.Keys().JWKS()
	if m := h.metadata.Load(); m != nil && bytes.Equal(m.keys, keys) {
		return m, nil
	}
	m := &metadata{keys: keys}
	var set struct {
		Keys []struct {
			Algorithm string `json:"alg"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(keys, &set); err != nil {
		return nil, err
	}
	var algorithms []string // the one that signs comes first
	for _, key := range set.Keys {
		algorithms = append(algorithms, key.Algorithm)
	}
	var err error
	if m.mytoken, err = wire.Marshal(h.configuration(unique.Strings(algorithms))); err != nil {
		return nil, err
	}
	if m.oauth, err = wire.Marshal(h.authorizationServer()); err != nil {
		return nil, err
	}
	h.metadata.Store(m)
	return m, nil
}

// configuration is the document of protocol section 5.1. It lists only what is served, and
// the endpoints without which public clients crash. The first algorithm is that of the key
// that signs.
func (h *Handler) configuration(algorithms []string) wire.Configuration {
	access, algorithm := h.base+pathTokenAccess, ""
	if len(algorithms) > 0 {
		algorithm = algorithms[0]
	}
	cfg := wire.Configuration{
		Issuer: h.issuer.URL(), AccessTokenEndpoint: access, TokenEndpoint: access,
		MytokenEndpoint: h.base + pathTokenMy, RevocationEndpoint: h.base + pathTokenRevoke,
		UserSettingsEndpoint: h.base + pathSettings, TokenTransferEndpoint: h.base + pathTokenTransfer,
		ProfilesEndpoint: h.base + pathProfiles, JWKSURI: h.base + pathJWKS, SigningAlgorithm: algorithm, IDTokenAlgorithms: algorithms,
		NotificationsEndpoint: h.base + pathNotifications,
		Documentation:         h.opts.Documentation, Version: h.opts.Version, TokeninfoActions: h.opts.TokeninfoActions,
		AccessTokenGrantTypes: []string{wire.GrantMytoken},
		MytokenGrantTypes:     []string{wire.GrantOIDCFlow, wire.GrantMytoken, wire.GrantTransferCode, wire.GrantPollingCode},
		OIDCFlows:             []string{wire.FlowAuthorizationCode},
		ResponseTypes: []string{
			string(mytoken.ResponseToken), string(mytoken.ResponseShortToken), string(mytoken.ResponseTransferCode),
		},
		RestrictionKeys:        h.issuer.RestrictionKeys(),
		AuthorizationServerURI: h.origin + h.MetadataPath(), IdempotencyKeySupported: true,
	}
	if len(h.opts.TokeninfoActions) > 0 {
		cfg.TokeninfoEndpoint = h.base + pathTokeninfo
	}
	if len(h.clients) > 0 {
		cfg.IntrospectionEndpoint = h.base + pathOAuthIntrospect
	}
	if h.opts.SSH != nil {
		keys := h.opts.SSH.Fingerprints()
		for _, kind := range slices.Sorted(maps.Keys(keys)) {
			cfg.SSHKeys = append(cfg.SSHKeys, wire.SSHHostKey{Type: kind, Fingerprint: keys[kind]})
		}
	}
	for _, p := range h.issuer.Providers() {
		up := p.Upstream
		cfg.Providers = append(cfg.Providers, wire.Provider{Issuer: up.Issuer(), Name: up.Name(), Scopes: append([]string{}, up.Scopes()...)})
	}
	return cfg
}

func configuration(c *call) (*answer, error) {
	m, err := c.documents()
	if err != nil {
		return nil, err
	}
	return publicJSON(m.mytoken), nil
}

func authorizationServer(c *call) (*answer, error) {
	m, err := c.documents()
	if err != nil {
		return nil, err
	}
	return publicJSON(m.oauth), nil
}

func jwks(c *call) (*answer, error) { return publicJSON(c.issuer.Keys().JWKS()), nil }

func publicJSON(body []byte) *answer {
	return &answer{status: http.StatusOK, raw: body, media: "application/json", public: true}
}
