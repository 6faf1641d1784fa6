package issuer_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

const fingerprint = "SHA256:uNiVztksCsDhcc0u9e8BrJQXUBhlZFRy5B0VZ4LkcEo"

// settingsToken returns a token of alice that may change her settings. The grant type ssh
// is enabled.
func settingsToken(t *testing.T, s *mytokentest.Service) *mytoken.Issued {
	t.Helper()
	by := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	setGrant(t, s, by.Token, "ssh", true)
	return by
}

func setGrant(t *testing.T, s *mytokentest.Service, by mytoken.Secret, name string, enabled bool) {
	t.Helper()
	_, err := s.Issuer.SetGrant(t.Context(), issuer.GrantRequest{Token: by, GrantSetting: issuer.GrantSetting{GrantType: name, Enabled: enabled}, Client: client})
	require.NoError(t, err)
}

func startKey(t *testing.T, s *mytokentest.Service, req issuer.SSHKeyRequest) *issuer.SSHKeyLogin {
	t.Helper()
	req.Client = client
	if req.Fingerprint == "" {
		req.Fingerprint = fingerprint
	}
	started, err := s.Issuer.AddSSHKey(t.Context(), req)
	require.NoError(t, err)
	return started
}

// consentTo agrees to a login with a rotation, and logs in as subject.
func consentTo(t *testing.T, s *mytokentest.Service, started *issuer.SSHKeyLogin, subject string, rotation *mytoken.Rotation) error {
	t.Helper()
	asked, err := s.Issuer.Consent(t.Context(), started.ConsentCode)
	require.NoError(t, err)
	asked.Properties.Rotation = rotation
	started2, err := s.Issuer.Approve(t.Context(), started.ConsentCode, asked.Properties)
	require.NoError(t, err)
	_, err = s.Follow(t.Context(), subject, started2)
	return err
}

func pollKey(t *testing.T, s *mytokentest.Service, started *issuer.SSHKeyLogin) (*issuer.NewSSHKey, error) {
	t.Helper()
	return s.Issuer.PollSSHKey(t.Context(), issuer.PollRequest{Code: started.PollingCode, Client: client})
}

// keyClient is a client that has proved to hold the key.
func keyClient(t *testing.T, s *mytokentest.Service, fingerprint string, user mytoken.Secret) issuer.Client {
	t.Helper()
	key, err := s.Issuer.OpenSSHKey(t.Context(), fingerprint, user)
	require.NoError(t, err)
	c := client
	c.Key = key
	return c
}

// register registers a key of alice and returns a client with it.
func register(t *testing.T, s *mytokentest.Service, req issuer.SSHKeyRequest, rotation *mytoken.Rotation) issuer.Client {
	t.Helper()
	started := startKey(t, s, req)
	require.NoError(t, consentTo(t, s, started, "alice", rotation))
	got, err := pollKey(t, s, started)
	require.NoError(t, err)
	return keyClient(t, s, fingerprint, got.User)
}

func keyAccess(t *testing.T, s *mytokentest.Service, c issuer.Client) error {
	t.Helper()
	_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Client: c})
	return err
}

func listKeys(t *testing.T, s *mytokentest.Service, by mytoken.Secret) *issuer.SSHKeys {
	t.Helper()
	keys, err := s.Issuer.SSHKeys(t.Context(), issuer.SettingsRequest{Token: by, Client: client})
	require.NoError(t, err)
	return keys
}

// TestSSHKey registers a key and uses the token behind it in every way.
func TestSSHKey(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token, Name: "laptop", Capabilities: allCapabilities, Application: "cli"})
	asked, err := s.Issuer.Consent(t.Context(), started.ConsentCode)
	require.NoError(t, err)
	assert.Equal(t, fingerprint, asked.SSHKey, "the user sees which key it is for")
	assert.Equal(t, "mytoken for ssh-grant: laptop", asked.Properties.Name)
	_, err = pollKey(t, s, started)
	requireCodeError(t, err, issuer.CodePending)
	require.NoError(t, consentTo(t, s, started, "alice", nil))
	got, err := pollKey(t, s, started)
	require.NoError(t, err)
	assert.Equal(t, "laptop", got.Name)
	assert.Regexp(t, `^[a-zA-Z]{16}$`, got.User.Reveal())
	_, err = pollKey(t, s, started)
	requireCodeError(t, err, issuer.CodeUnknown)
	assert.Contains(t, events(t, s, by.ID), "ssh_key_added")

	c := keyClient(t, s, fingerprint, got.User)
	require.NoError(t, keyAccess(t, s, c))
	seen, err := s.Issuer.Introspect(t.Context(), issuer.IntrospectRequest{Client: c})
	require.NoError(t, err)
	child, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Client: c})
	require.NoError(t, err)
	requireUsable(t, s, child.Token)
	history, err := s.Issuer.History(t.Context(), issuer.HistoryRequest{Client: c})
	require.NoError(t, err)
	assert.NotEmpty(t, history.Events)
	tree, err := s.Issuer.Subtree(t.Context(), issuer.InfoRequest{Client: c})
	require.NoError(t, err)
	require.Len(t, tree.Roots, 1)
	assert.Len(t, tree.Roots[0].Children, 1)
	all, err := s.Issuer.List(t.Context(), issuer.InfoRequest{Client: c})
	require.NoError(t, err)
	assert.Len(t, all.Roots, 2)
	_, err = s.Issuer.RevokeOther(t.Context(), issuer.RevokeOtherRequest{Other: child.ID, Client: c})
	require.NoError(t, err)
	requireDead(t, s, child.Token, issuer.TokenRevoked)

	keys := listKeys(t, s, by.Token)
	require.Len(t, keys.List, 1)
	assert.True(t, keys.Enabled)
	assert.Equal(t, "laptop", keys.List[0].Name)
	assert.Equal(t, seen.Claims.ID(), keys.List[0].Token)

	// The key cannot be joined with a token, and hands its own to nobody.
	_, err = s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: by.Token, Client: c})
	requireRequestError(t, err, "mytoken")
	_, err = s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Client: c})
	requireRequestError(t, err, "mytoken")
	for _, secret := range []mytoken.Secret{got.User, mytoken.NewSecret(got.User.Reveal() + got.User.Reveal())} {
		_, err = accessToken(t, s, secret)
		require.True(t, is[*issuer.TokenError](err), "the SSH user is no token")
	}

	_, err = s.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Client: c})
	require.NoError(t, err)
	requireTokenError(t, keyAccess(t, s, c), issuer.TokenUnknown)
	_, err = s.Issuer.OpenSSHKey(t.Context(), fingerprint, got.User)
	require.ErrorIs(t, err, issuer.ErrUnknownKey)
	assert.Empty(t, listKeys(t, s, by.Token).List, "its token is gone")
	register(t, s, issuer.SSHKeyRequest{Token: by.Token}, nil) // so the key may come again
	assert.Len(t, listKeys(t, s, by.Token).List, 1)
}

// TestSSHKeyIsRefused: registrations that must store nothing.
func TestSSHKeyIsRefused(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	add := func(change func(*issuer.SSHKeyRequest)) error {
		req := issuer.SSHKeyRequest{Token: by.Token, Fingerprint: fingerprint, Client: client}
		if change != nil {
			change(&req)
		}
		before := stateOf(t, s)
		_, err := s.Issuer.AddSSHKey(t.Context(), req)
		require.Error(t, err)
		requireUnchanged(t, s, before)
		return err
	}
	require.ErrorIs(t, add(nil), issuer.ErrGrantDisabled, "off at first")
	setGrant(t, s, by.Token, "ssh", true)
	weak := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.ReadSettings}})
	require.True(t, is[*mytoken.CapabilityError](add(func(r *issuer.SSHKeyRequest) { r.Token = weak.Token })))
	requireRequestError(t, add(func(r *issuer.SSHKeyRequest) { r.Fingerprint = "MD5:00" }), "ssh_key")
	requireRequestError(t, add(func(r *issuer.SSHKeyRequest) { r.Name = string(make([]byte, 65)) }), "name")
	requireRequestError(t, add(func(r *issuer.SSHKeyRequest) { r.Name = "a\nProxyCommand x" }), "name")
	requireRequestError(t, add(func(r *issuer.SSHKeyRequest) { r.Capabilities = capability.Set{"telepathy"} }), "capabilities")
	register(t, s, issuer.SSHKeyRequest{Token: by.Token}, nil)
	require.ErrorIs(t, add(nil), issuer.ErrKeyExists)
	revoke(t, s, by.Token, false)
	requireTokenError(t, add(nil), issuer.TokenRevoked)
}

// TestPollingCodesOfSSHKeys: neither kind of polling code is accepted in place of the
// other.
func TestPollingCodesOfSSHKeys(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	native, err := s.Issuer.StartNative(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Client: client})
	require.NoError(t, err)
	wrong := func() {
		for _, code := range []mytoken.Secret{started.PollingCode, mytoken.NewSecret("ssh " + started.PollingCode.Reveal())} {
			_, err := s.Issuer.Poll(t.Context(), issuer.PollRequest{Code: code, Client: client})
			requireCodeError(t, err, issuer.CodeUnknown)
		}
		_, err = s.Issuer.PollSSHKey(t.Context(), issuer.PollRequest{Code: native.PollingCode, Client: client})
		requireCodeError(t, err, issuer.CodeUnknown)
	}
	wrong()
	require.NoError(t, consentTo(t, s, started, "alice", nil))
	wrong() // the tokens are ready
	_, err = pollKey(t, s, started)
	require.NoError(t, err)
}

// TestSSHKeyOfAnotherUser: whoever else logs in gets nothing, and neither does the key.
func TestSSHKeyOfAnotherUser(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	err := consentTo(t, s, started, "bob", nil)
	require.Equal(t, issuer.LoginOtherUser, errAs[*issuer.LoginError](t, err).Reason)
	_, err = pollKey(t, s, started)
	requireCodeError(t, err, issuer.CodeFailed)
	assert.Empty(t, listKeys(t, s, by.Token).List)
	infos, _, err := s.Store.List(t.Context(), mytoken.Owner(s.Provider.Issuer(), "bob"), store.Page{Limit: 10})
	require.NoError(t, err)
	assert.Empty(t, infos)
}

// TestDeclinedSSHKey ends a registration by declining it, or by revoking its code.
func TestDeclinedSSHKey(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	_, err := s.Issuer.Decline(t.Context(), started.ConsentCode)
	require.NoError(t, err)
	_, err = pollKey(t, s, started)
	requireCodeError(t, err, issuer.CodeDeclined)

	started = startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	require.NoError(t, consentTo(t, s, started, "alice", nil))
	done := revoke(t, s, started.PollingCode, false)
	assert.False(t, done.Revoked.IsZero(), "the code revokes its token")
	_, err = pollKey(t, s, started)
	requireCodeError(t, err, issuer.CodeUnknown)

	started = startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	s.Clock.Advance(time.Hour)
	_, err = pollKey(t, s, started)
	requireCodeError(t, err, issuer.CodeExpired)
}

// TestSameKeyTwice: of two registrations of one key that wait at once, one succeeds (D8).
// The token of the other one is revoked.
func TestSameKeyTwice(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	const n = 4
	var logins []*issuer.SSHKeyLogin
	for range n {
		started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
		require.NoError(t, consentTo(t, s, started, "alice", nil))
		logins = append(logins, started)
	}
	var won, refused atomic.Int32
	paralleltest.Do(2*n, func(k int) { // each code is polled twice
		_, err := s.Issuer.PollSSHKey(t.Context(), issuer.PollRequest{Code: logins[k%n].PollingCode, Client: client})
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, issuer.ErrKeyExists):
			refused.Add(1)
		default:
			assert.True(t, is[*issuer.CodeError](err), "%v", err)
		}
	})
	assert.EqualValues(t, 1, won.Load())
	assert.GreaterOrEqual(t, refused.Load(), int32(n-1))
	keys := listKeys(t, s, by.Token)
	require.Len(t, keys.List, 1)
	infos, _, err := s.Store.List(t.Context(), mytoken.Owner(s.Provider.Issuer(), "alice"), store.Page{Limit: 100})
	require.NoError(t, err)
	live := 0
	for _, info := range infos {
		if info.Live {
			live++
		}
	}
	assert.Equal(t, 2, live, "the settings token, and the one behind the key")
}

// failing is a store whose ChangeItems fails as often as it is told to.
type failing struct {
	store.Store
	fails atomic.Int32
	after func() // if it is set, the change is made all the same, and after is called
}

func (f *failing) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if f.fails.Add(-1) >= 0 {
		if f.after != nil {
			if err := f.Store.ChangeItems(ctx, c); err != nil {
				return err
			}
			f.after()
		}
		return errors.New("the connection broke")
	}
	return f.Store.ChangeItems(ctx, c)
}

// TestD8_KeyIsStoredInOneStep: if the store fails, the code can still be polled. An
// answer that was lost is no other registration.
func TestD8_KeyIsStoredInOneStep(t *testing.T) {
	f := &failing{Store: memstore.New()}
	s := start(t, mytokentest.Options{Store: f})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	require.NoError(t, consentTo(t, s, started, "alice", nil))
	f.fails.Store(3)
	_, err := pollKey(t, s, started)
	require.True(t, is[*issuer.StoreError](err), "%v", err)
	// The answer is lost, and another change makes the store forget the id of this one.
	f.fails.Store(1)
	f.after = func() { setGrant(t, s, by.Token, "mytoken", false) }
	got, err := pollKey(t, s, started)
	require.NoError(t, err)
	require.NoError(t, keyAccess(t, s, keyClient(t, s, fingerprint, got.User)))
	assert.Len(t, listKeys(t, s, by.Token).List, 1)
}

// TestDeleteSSHKey revokes the token behind the key.
func TestDeleteSSHKey(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	c := register(t, s, issuer.SSHKeyRequest{Token: by.Token, Capabilities: allCapabilities}, nil)
	child, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Client: c})
	require.NoError(t, err)
	del := func(token mytoken.Secret, of string) error {
		_, err := s.Issuer.DeleteSSHKey(t.Context(), issuer.SSHKeyDeletion{Token: token, Fingerprint: of, Client: client})
		return err
	}
	require.NoError(t, del(by.Token, "SHA256:other"))
	assert.NotContains(t, events(t, s, by.ID), "ssh_key_deleted", "nothing was deleted")
	require.NoError(t, keyAccess(t, s, c))
	bob, err := s.Login(t.Context(), "bob", mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	require.NoError(t, err)
	require.NoError(t, del(bob.Token, fingerprint))
	require.NoError(t, keyAccess(t, s, c), "it is not bob's")

	require.NoError(t, del(by.Token, fingerprint))
	assert.Contains(t, events(t, s, by.ID), "ssh_key_deleted")
	requireTokenError(t, keyAccess(t, s, c), issuer.TokenUnknown)
	assert.Empty(t, listKeys(t, s, by.Token).List)
	requireUsable(t, s, child.Token) // children stay
	require.NoError(t, del(by.Token, fingerprint), "unknown")

	// A key may delete itself. That is not in the history.
	c = register(t, s, issuer.SSHKeyRequest{Token: by.Token, Capabilities: capability.Set{capability.Settings}}, nil)
	_, err = s.Issuer.DeleteSSHKey(t.Context(), issuer.SSHKeyDeletion{Fingerprint: fingerprint, Client: c})
	require.NoError(t, err)
	requireTokenError(t, keyAccess(t, s, c), issuer.TokenUnknown)
}

// TestN8_KeysOfADisabledGrant: keys rest while the grant is disabled, also those whose
// connection stands.
func TestN8_KeysOfADisabledGrant(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	require.NoError(t, consentTo(t, s, started, "alice", nil))
	got, err := pollKey(t, s, started)
	require.NoError(t, err)
	c := keyClient(t, s, fingerprint, got.User)
	setGrant(t, s, by.Token, "ssh", false)
	require.ErrorIs(t, keyAccess(t, s, c), issuer.ErrGrantDisabled)
	_, err = s.Issuer.OpenSSHKey(t.Context(), fingerprint, got.User)
	require.ErrorIs(t, err, issuer.ErrGrantDisabled)
	assert.False(t, listKeys(t, s, by.Token).Enabled)
	assert.Len(t, listKeys(t, s, by.Token).List, 1)
	setGrant(t, s, by.Token, "ssh", true)
	require.NoError(t, keyAccess(t, s, keyClient(t, s, fingerprint, got.User)))
}

// TestN2_OpeningAKeyChangesNothing, so that a client that only asks leaves no trace.
func TestN2_OpeningAKeyChangesNothing(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	require.NoError(t, consentTo(t, s, started, "alice", nil))
	got, err := pollKey(t, s, started)
	require.NoError(t, err)
	before := stateOf(t, s)
	s.Clock.Advance(time.Minute)
	for _, user := range []mytoken.Secret{got.User, mytoken.NewSecret("abcdefghijkmnopq"), {}, mytoken.NewSecret("short")} {
		_, _ = s.Issuer.OpenSSHKey(t.Context(), fingerprint, user)
		_, err = s.Issuer.OpenSSHKey(t.Context(), "SHA256:other", user)
		require.ErrorIs(t, err, issuer.ErrUnknownKey)
	}
	requireUnchanged(t, s, before)
	require.NoError(t, keyAccess(t, s, keyClient(t, s, fingerprint, got.User)))
	s.Clock.Advance(time.Minute)
	assert.Equal(t, s.Clock.Now().Add(-time.Minute).Unix(), listKeys(t, s, by.Token).List[0].LastUsed.Unix())
}

// TestExpiredTokenBehindAKey refuses as for any token.
func TestExpiredTokenBehindAKey(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	c := register(t, s, issuer.SSHKeyRequest{Token: by.Token, Restrictions: restriction.List{{Expires: unix(s, time.Hour), UsagesAT: restriction.Usages(1)}}}, nil)
	require.NoError(t, keyAccess(t, s, c))
	requireRefused(t, keyAccess(t, s, c), "usages_AT")
	s.Clock.Advance(2 * time.Hour)
	requireTokenError(t, keyAccess(t, s, c), issuer.TokenExpired)
}

// TestDumpHoldsNoSSHKey: the store shows neither the SSH user nor the token behind a key,
// and the server keys alone do not open it. // proves P7
func TestDumpHoldsNoSSHKey(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token, Name: "my laptop"})
	require.NoError(t, consentTo(t, s, started, "alice", nil))
	got, err := pollKey(t, s, started)
	require.NoError(t, err)
	dump, err := s.Store.(*memstore.Store).Dump(t.Context())
	require.NoError(t, err)
	for _, secret := range []string{got.User.Reveal(), fingerprint, "my laptop", "eyJ"} {
		assert.NotContains(t, string(dump), secret)
	}
	sealed, _, err := s.Store.Sealed(t.Context(), store.Page{Limit: 1000})
	require.NoError(t, err)
	seen := 0
	for _, item := range sealed {
		if ref, ok := item.Place.TicketRef(); ok && ref.Kind == store.TicketSSHKey {
			seen++
			_, err := s.Config.Seal.Open(item.Place, item.Sealed)
			assert.Error(t, err, "it has an inner layer")
		}
	}
	assert.Equal(t, 1, seen)
}
