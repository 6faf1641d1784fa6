package pages

import (
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
)

// capabilityTitles name the capabilities in a few words. Package capability describes
// them in a sentence.
var capabilityTitles = map[capability.Capability]string{
	capability.AT:            "Get access tokens",
	capability.CreateMytoken: "Make further mytokens",

	capability.Tokeninfo:           "Look at itself",
	capability.TokeninfoIntrospect: "Look at its own properties",
	capability.TokeninfoHistory:    "Read its own history",
	capability.TokeninfoSubtokens:  "List the mytokens made from it",
	capability.TokeninfoNotify:     "Manage its own notifications",
	capability.TokeninfoTags:       "Manage its own tags",

	capability.ManageMytokens:           "Manage all of your mytokens",
	capability.ManageMytokensList:       "List all of your mytokens",
	capability.ManageMytokensRevoke:     "Revoke any of your mytokens",
	capability.ManageMytokensHistory:    "Read the history of your mytokens",
	capability.ManageMytokensNotify:     "Manage notifications of your mytokens",
	capability.ReadManageMytokensNotify: "Read notifications of your mytokens",
	capability.ManageMytokensTags:       "Manage the tags of your mytokens",

	capability.Settings:              "Change your settings",
	capability.ReadSettings:          "Read your settings",
	capability.SettingsGrants:        "Change how mytokens can be obtained",
	capability.ReadSettingsGrants:    "Read how mytokens can be obtained",
	capability.SettingsGrantsSSH:     "Change your SSH keys",
	capability.ReadSettingsGrantsSSH: "Read your SSH keys",
	capability.SettingsEmail:         "Change your email settings",
	capability.ReadSettingsEmail:     "Read your email settings",
	capability.SettingsTags:          "Change your tags",
	capability.ReadSettingsTags:      "Read your tags",
}

// served returns the part of a tree of capabilities that this service supports.
func (p *Pages) served(nodes []capability.Node) []capability.Node {
	var out []capability.Node
	for _, n := range nodes {
		switch n.Capability {
		case capability.TokeninfoNotify, capability.ManageMytokensNotify, capability.SettingsEmail:
			continue // package rest does not serve these
		case capability.SettingsGrantsSSH:
			if !p.cfg.SSH {
				continue
			}
		}
		n.Children = p.served(n.Children)
		out = append(out, n)
	}
	return out
}

// capabilityNodes returns a tree of capabilities to choose from.
func capabilityNodes(nodes []capability.Node, checked capability.Set) []capabilityNode {
	var out []capabilityNode
	for _, n := range nodes {
		node := capabilityNode{choice: choiceOf(n.Capability, checked), Children: capabilityNodes(n.Children, checked)}
		if n.Read != "" {
			read := choiceOf(n.Read, checked)
			node.Read, node.Open = &read, read.Checked
		}
		for _, child := range node.Children {
			node.Open = node.Open || child.Checked || child.Open
		}
		out = append(out, node)
	}
	return out
}

// choices describes capabilities. Those in checked are chosen.
func choices(of, checked capability.Set) []choice {
	var out []choice
	for _, name := range of {
		out = append(out, choiceOf(name, checked))
	}
	return out
}

func choiceOf(name capability.Capability, checked capability.Set) choice {
	return choice{
		Name: legible.Show(string(name)), Title: capabilityTitles[name], Description: name.Describe(), Checked: slices.Contains(checked, name),
		Sensitive: name.Level() > capability.Normal,
	}
}
