package mytoken

import (
	"context"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/internal/livehttp"
	"github.com/mytoken-go/sdk/internal/weburl"
)

const (
	defaultKeysMaxAge   = 15 * time.Minute
	defaultKeysMaxStale = 24 * time.Hour

	// fetchTimeout bounds one fetch.
	fetchTimeout = 5 * time.Second
	// fetchPause is the shortest time between two fetches after a failure or for tokens
	// with unknown keys.
	fetchPause = jws.FetchPause
)

// jwksSource gets the keys of an issuer from its JWKS URL.
type jwksSource struct{ *jws.Source[jws.Ring] }

func newJWKSSource(cfg VerifierConfig) (jwksSource, error) {
	var none jwksSource
	u, err := weburl.Parse(cfg.JWKSURL)
	if err != nil {
		return none, fmt.Errorf("%w: JWKSURL: %w", ErrVerifierConfig, err)
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return none, fmt.Errorf("%w: the scheme of JWKSURL is %q, not https", ErrVerifierConfig, u.Scheme)
	}
	if !cfg.InsecureHTTP && !weburl.Secure(u) {
		return none, fmt.Errorf("%w: JWKSURL %s is not https; InsecureHTTP allows that", ErrVerifierConfig, u)
	}
	source := jws.SourceConfig[jws.Ring]{
		URL: cfg.JWKSURL, Client: cfg.HTTPClient, Clock: cfg.Clock, MaxAge: defaultKeysMaxAge, MaxStale: defaultKeysMaxStale,
		Timeout: fetchTimeout, Decode: jws.DecodeSet,
	}
	if source.Client == nil {
		source.Client = livehttp.Client()
	}
	if cfg.KeysMaxAge != 0 {
		source.MaxAge = cfg.KeysMaxAge
	}
	if cfg.KeysMaxStale != 0 {
		source.MaxStale = cfg.KeysMaxStale
	}
	if source.MaxAge < fetchPause || source.MaxStale < source.MaxAge {
		return none, fmt.Errorf("%w: need %s <= KeysMaxAge (%s) <= KeysMaxStale (%s)", ErrVerifierConfig, fetchPause, source.MaxAge, source.MaxStale)
	}
	return jwksSource{jws.NewSource(source)}, nil
}

// current implements keySource.
func (s jwksSource) current(ctx context.Context) (*jws.Ring, error) {
	ring, err := s.Current(ctx)
	return ring, unavailable(err)
}

// newer implements keySource.
func (s jwksSource) newer(ctx context.Context, seen *jws.Ring) (*jws.Ring, error) {
	ring, err := s.Newer(ctx, seen)
	return ring, unavailable(err)
}

// unavailable names the failure of a fetch. It returns nil for nil.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
}
