package client

import "github.com/mytoken-go/sdk/mytoken"

// Names that package mytoken has as well.
type (
	Secret     = mytoken.Secret
	Properties = mytoken.Properties
	Rotation   = mytoken.Rotation
)

// NewSecret is mytoken.NewSecret.
func NewSecret(s string) Secret { return mytoken.NewSecret(s) }
