package issuer

import "github.com/mytoken-go/sdk/store"

// UseID names a request, so that it can be repeated. See [NewUseID].
type UseID = store.UseID

// GrantID names a login: one refresh token, and the tree of tokens that share it.
type GrantID = store.GrantID
