package capability

// Node is a capability in the tree that an editor shows.
type Node struct {
	Capability  Capability
	Description string // what it allows, in plain words

	// Read is the part of the capability that is restricted to reading, and
	// ReadDescription says what it allows. Both are empty if there is none.
	Read            Capability
	ReadDescription string

	Children []Node
}

// Tree returns all known capabilities as a tree: each node's children are the
// capabilities directly below it. Each call returns a tree of its own.
func Tree() []Node {
	return []Node{
		node(AT, ""),
		node(CreateMytoken, ""),
		node(Tokeninfo, "",
			node(TokeninfoIntrospect, ""),
			node(TokeninfoHistory, ""),
			node(TokeninfoSubtokens, ""),
			node(TokeninfoNotify, ""),
			node(TokeninfoTags, "")),
		node(ManageMytokens, "",
			node(ManageMytokensList, ""),
			node(ManageMytokensRevoke, ""),
			node(ManageMytokensHistory, ""),
			node(ManageMytokensNotify, ReadManageMytokensNotify),
			node(ManageMytokensTags, "")),
		node(Settings, ReadSettings,
			node(SettingsGrants, ReadSettingsGrants,
				node(SettingsGrantsSSH, ReadSettingsGrantsSSH)),
			node(SettingsEmail, ReadSettingsEmail),
			node(SettingsTags, ReadSettingsTags)),
	}
}

// All returns every known capability, each parent before its children and each
// capability before its part for reading.
func All() Set {
	var all Set
	var walk func([]Node)
	walk = func(nodes []Node) {
		for _, n := range nodes {
			all = append(all, n.Capability)
			if n.Read != "" {
				all = append(all, n.Read)
			}
			walk(n.Children)
		}
	}
	walk(Tree())
	return all
}

// Describe says in plain words what c allows, for a page on which a user
// decides. For a name that this package does not know it says so.
func (c Capability) Describe() string {
	if text, known := describe(c); known {
		return text
	}
	return "Unknown to this server; it allows nothing here."
}

func node(c, read Capability, children ...Node) Node {
	n := Node{Capability: c, Read: read, Children: children}
	n.Description, _ = describe(c)
	if read != "" {
		n.ReadDescription, _ = describe(read)
	}
	return n
}

// describe is the one list of the names that this package knows.
func describe(c Capability) (text string, known bool) {
	switch c {
	case AT:
		text = "Obtain access tokens in your name, within the restrictions."
	case CreateMytoken:
		text = "Create further mytokens from this one, never more powerful than it."
	case Tokeninfo:
		text = "Read all about this mytoken and manage its notifications and tags."
	case TokeninfoIntrospect:
		text = "Read the properties of this mytoken and how often it was used."
	case TokeninfoHistory:
		text = "Read what happened to this mytoken and to those created from it."
	case TokeninfoSubtokens:
		text = "List the mytokens that were created from this one."
	case TokeninfoNotify:
		text = "Manage the notifications about this mytoken."
	case TokeninfoTags:
		text = "Manage the tags of this mytoken."
	case ManageMytokens:
		text = "Manage all of your mytokens: list and revoke them, read their history, manage notifications and tags."
	case ManageMytokensList:
		text = "List all of your mytokens."
	case ManageMytokensRevoke:
		text = "Revoke any of your mytokens."
	case ManageMytokensHistory:
		text = "Read what happened to any of your mytokens."
	case ManageMytokensNotify:
		text = "Manage notifications and calendars for any of your mytokens."
	case ManageMytokensTags:
		text = "Manage the tags of any of your mytokens."
	case Settings:
		text = "Read and change all of your settings."
	case SettingsGrants:
		text = "Read and change by which ways you can obtain mytokens."
	case SettingsGrantsSSH:
		text = "Read and change the SSH keys with which you can obtain mytokens."
	case SettingsEmail:
		text = "Read and change your email settings."
	case SettingsTags:
		text = "Read and change your tags."
	case ReadManageMytokensNotify:
		text = "Read notifications and calendars for any of your mytokens."
	case ReadSettings:
		text = "Read all of your settings."
	case ReadSettingsGrants:
		text = "Read by which ways you can obtain mytokens."
	case ReadSettingsGrantsSSH:
		text = "Read the SSH keys with which you can obtain mytokens."
	case ReadSettingsEmail:
		text = "Read your email settings."
	case ReadSettingsTags:
		text = "Read your tags."
	default:
		return "", false
	}
	return text, true
}
