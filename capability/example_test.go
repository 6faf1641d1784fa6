package capability_test

import (
	"fmt"
	"strings"

	"github.com/mytoken-go/sdk/capability"
)

// Which capabilities does a child token get, and what may its holder do?
func Example() {
	wanted, err := capability.ParseRequest([]byte(`["AT", "tokeninfo:history", "settings"]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	parent := capability.Set{capability.AT, capability.Tokeninfo}
	child, dropped := capability.Narrow(parent, wanted)
	fmt.Println("child:", child)
	fmt.Println("dropped:", dropped)
	fmt.Println("may revoke tokens:", child.Allows(capability.ManageMytokensRevoke))
	// Output:
	// child: AT tokeninfo:history
	// dropped: settings
	// may revoke tokens: false
}

// May the holder of a token do this?
func ExampleSet_Allows() {
	set := capability.Set{capability.AT, capability.Tokeninfo, capability.ReadSettings}
	fmt.Println(set.Allows(capability.TokeninfoHistory))
	fmt.Println(set.Allows(capability.ReadSettingsEmail))
	fmt.Println(set.Allows(capability.SettingsEmail))
	// Output:
	// true
	// true
	// false
}

// Which of the wanted capabilities can a child get?
func ExampleNarrow() {
	parent := capability.Set{capability.AT, capability.CreateMytoken, capability.TokeninfoIntrospect}
	child, dropped := capability.Narrow(parent, capability.Set{capability.Tokeninfo, capability.AT})
	fmt.Println("child:", child)
	fmt.Println("dropped:", dropped)
	// Output:
	// child: AT
	// dropped: tokeninfo
}

// How do I explain capabilities to a user who decides?
func ExampleCapability_Describe() {
	for _, c := range []capability.Capability{capability.AT, "list_mytokens"} {
		fmt.Printf("%s: %s\n", c, c.Describe())
	}
	// Output:
	// AT: Obtain access tokens in your name, within the restrictions.
	// list_mytokens: Unknown to this server; it allows nothing here.
}

// Which capabilities exist for the settings of a user?
func ExampleTree() {
	var show func(nodes []capability.Node, depth int)
	show = func(nodes []capability.Node, depth int) {
		for _, n := range nodes {
			line := strings.Repeat("  ", depth) + string(n.Capability)
			if n.Read != "" {
				line += " (" + string(n.Read) + ")"
			}
			fmt.Println(line)
			show(n.Children, depth+1)
		}
	}
	show(capability.Tree()[4:], 0)
	// Output:
	// settings (read@settings)
	//   settings:grants (read@settings:grants)
	//     settings:grants:ssh (read@settings:grants:ssh)
	//   settings:email (read@settings:email)
	//   settings:tags (read@settings:tags)
}

// Which names does this package not know, so that an issuer may want to refuse them?
func ExampleSet_Unknown() {
	set, err := capability.ParseRequest([]byte(`"AT tokeninfo:everything"`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Unknown())
	// Output: tokeninfo:everything
}
