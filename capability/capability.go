package capability

import "strings"

// Capability is one right of a mytoken. The zero value includes nothing.
type Capability string

// The capabilities of protocol section 3.1.
const (
	AT            Capability = "AT"             // obtain OpenID Connect access tokens
	CreateMytoken Capability = "create_mytoken" // create subtokens

	Tokeninfo             Capability = "tokeninfo"               // everything below it
	TokeninfoIntrospect   Capability = "tokeninfo:introspect"    // introspect this token
	TokeninfoHistory      Capability = "tokeninfo:history"       // read the event history of this token and its subtokens
	TokeninfoSubtokens    Capability = "tokeninfo:subtokens"     // list the tree of this token's subtokens
	TokeninfoNotify       Capability = "tokeninfo:notify"        // manage notifications for this token
	TokeninfoTags         Capability = "tokeninfo:tags"          // manage the tags of this token
	ManageMytokens        Capability = "manage_mytokens"         // everything below it
	ManageMytokensList    Capability = "manage_mytokens:list"    // list all tokens of the user
	ManageMytokensRevoke  Capability = "manage_mytokens:revoke"  // revoke any token of the user
	ManageMytokensHistory Capability = "manage_mytokens:history" // read the event history of any token of the user
	ManageMytokensNotify  Capability = "manage_mytokens:notify"  // manage notifications and calendars for any token
	ManageMytokensTags    Capability = "manage_mytokens:tags"    // manage the tags of any token

	Settings          Capability = "settings"            // read and change all settings of the user
	SettingsGrants    Capability = "settings:grants"     // read and change which grant types are enabled
	SettingsGrantsSSH Capability = "settings:grants:ssh" // read and change SSH keys
	SettingsEmail     Capability = "settings:email"      // read and change email settings
	SettingsTags      Capability = "settings:tags"       // read and change tags

	ReadManageMytokensNotify Capability = "read@manage_mytokens:notify" // read notifications and calendars for any token
	ReadSettings             Capability = "read@settings"               // read all settings of the user
	ReadSettingsGrants       Capability = "read@settings:grants"        // read which grant types are enabled
	ReadSettingsGrantsSSH    Capability = "read@settings:grants:ssh"    // read SSH keys
	ReadSettingsEmail        Capability = "read@settings:email"         // read email settings
	ReadSettingsTags         Capability = "read@settings:tags"          // read tags
)

// readPrefix begins the name of a capability that is restricted to reading.
const readPrefix = "read@"

// Known reports whether this package knows the name. Names must match exactly: a name in
// another case is unknown, and so is an unknown child of a known name.
func (c Capability) Known() bool {
	_, known := descriptions[c]
	return known
}

// ReadOnly reports whether c is restricted to reading.
func (c Capability) ReadOnly() bool { return strings.HasPrefix(string(c), readPrefix) }

// Includes reports whether c includes other (protocol section 3.2). It does if other,
// without the prefix "read@", is c or below c in the hierarchy. A c that is restricted to
// reading includes only names that are restricted to reading. An unknown name includes
// only itself. The empty name includes nothing.
func (c Capability) Includes(other Capability) bool {
	if c == "" || other == "" {
		return false
	}
	if c == other {
		return true
	}
	if !c.Known() || c.ReadOnly() && !other.ReadOnly() {
		return false
	}
	have, want := c.path(), other.path()
	return have == want || strings.HasPrefix(want, have) && want[len(have)] == ':'
}

// path returns the name without its prefix "read@".
func (c Capability) path() string { return strings.TrimPrefix(string(c), readPrefix) }
