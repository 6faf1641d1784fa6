package capability

import "slices"

// Node is a capability in the tree of all capabilities, for example in an editor.
type Node struct {
	Capability  Capability
	Description string // what the capability allows, in plain words

	// Read is the same capability restricted to reading. Read and ReadDescription are
	// empty if there is no such capability.
	Read            Capability
	ReadDescription string

	Children []Node
}

// Tree returns all known capabilities as a tree. The children of a node are the
// capabilities directly below it. Each call returns a new tree.
func Tree() []Node {
	return []Node{
		node(AT, "Obtain access tokens in your name, within the restrictions.", ""),
		node(CreateMytoken, "Create further mytokens from this one, never more powerful than it.", ""),
		node(Tokeninfo, "Read all about this mytoken and manage its notifications and tags.", "",
			node(TokeninfoIntrospect, "Read the properties of this mytoken and how often it was used.", ""),
			node(TokeninfoHistory, "Read what happened to this mytoken and to those created from it.", ""),
			node(TokeninfoSubtokens, "List the mytokens that were created from this one.", ""),
			node(TokeninfoNotify, "Manage the notifications about this mytoken.", ""),
			node(TokeninfoTags, "Manage the tags of this mytoken.", "")),
		node(ManageMytokens, "Manage all of your mytokens: list and revoke them, read their history, manage notifications and tags.", "",
			node(ManageMytokensList, "List all of your mytokens.", ""),
			node(ManageMytokensRevoke, "Revoke any of your mytokens.", ""),
			node(ManageMytokensHistory, "Read what happened to any of your mytokens.", ""),
			node(ManageMytokensNotify, "Manage notifications and calendars for any of your mytokens.",
				"Read notifications and calendars for any of your mytokens."),
			node(ManageMytokensTags, "Manage the tags of any of your mytokens.", "")),
		node(Settings, "Read and change all of your settings.", "Read all of your settings.",
			node(SettingsGrants, "Read and change the ways in which you can obtain mytokens.",
				"Read the ways in which you can obtain mytokens.",
				node(SettingsGrantsSSH, "Read and change the SSH keys with which you can obtain mytokens.",
					"Read the SSH keys with which you can obtain mytokens.")),
			node(SettingsEmail, "Read and change your email settings.", "Read your email settings."),
			node(SettingsTags, "Read and change your tags.", "Read your tags.")),
	}
}

func node(c Capability, text, readText string, children ...Node) Node {
	n := Node{Capability: c, Description: text, Children: children}
	if readText != "" {
		n.Read, n.ReadDescription = readPrefix+c, readText
	}
	return n
}

// All returns every known capability. A parent comes before its children, and a
// capability before its restriction to reading. Each call returns a new set.
func All() Set { return slices.Clone(all) }

// all and descriptions come from Tree, which is the only list of known capabilities.
var all, descriptions = known(Tree())

func known(nodes []Node) (names Set, texts map[Capability]string) {
	texts = make(map[Capability]string)
	var walk func([]Node)
	walk = func(nodes []Node) {
		for _, n := range nodes {
			names, texts[n.Capability] = append(names, n.Capability), n.Description
			if n.Read != "" {
				names, texts[n.Read] = append(names, n.Read), n.ReadDescription
			}
			walk(n.Children)
		}
	}
	walk(nodes)
	return names, texts
}

// Level says how far a capability reaches, for a user who decides about it.
type Level uint8

// The levels. A capability that is restricted to reading is always [Normal].
const (
	Normal       Level = iota // the token itself, or reading
	Powerful                  // changes what other tokens of the user, or the user's settings, depend on
	VeryPowerful              // everything below a name that is powerful
)

// powerful are the capabilities that reach beyond the token itself and change something
// there. One that includes other capabilities is [VeryPowerful].
var powerful = map[Capability]Level{
	ManageMytokens: VeryPowerful, ManageMytokensRevoke: Powerful,
	Settings: VeryPowerful, SettingsGrants: VeryPowerful, SettingsGrantsSSH: Powerful,
}

// Level returns the level of c. An unknown name allows nothing, so its level is [Normal].
func (c Capability) Level() Level { return powerful[c] }

// String returns the sentence that public clients know (protocol section 3.1).
func (l Level) String() string {
	switch l {
	case VeryPowerful:
		return "This is a very powerful capability!"
	case Powerful:
		return "This is a powerful capability!"
	}
	return "This is a normal capability."
}

// Describe says in plain words what c allows, for a page on which a user decides. It also
// has a text for an unknown name. The text is English.
func (c Capability) Describe() string {
	if text, known := descriptions[c]; known {
		return text
	}
	return "Unknown to this server; it allows nothing here."
}
