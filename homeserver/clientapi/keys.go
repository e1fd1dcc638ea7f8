package clientapi

import (
	"encoding/json"

	"meshsim/homeserver"
)

// uploadKeys publishes keys of the device.
func uploadKeys(c *call) (any, error) {
	var in homeserver.KeyUpload
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	counts, err := c.server.UploadKeys(c.device, in)
	if err != nil {
		return nil, err
	}
	return map[string]any{"one_time_key_counts": counts}, nil
}

func queryKeys(c *call) (any, error) {
	var in struct {
		Devices homeserver.KeyQuery `json:"device_keys"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return c.server.QueryKeys(c.r.Context(), c.user(), in.Devices), nil
}

func claimKeys(c *call) (any, error) {
	var in struct {
		Keys homeserver.KeyClaim `json:"one_time_keys"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return c.server.ClaimKeys(c.r.Context(), in.Keys), nil
}

// changedLists are whose keys changed, never as null.
type changedLists struct {
	Changed []string `json:"changed"`
	Left    []string `json:"left"`
}

func showDeviceLists(d homeserver.DeviceListChanges) *changedLists {
	lists := &changedLists{Changed: d.Changed, Left: d.Left}
	if lists.Changed == nil {
		lists.Changed = []string{}
	}
	if lists.Left == nil {
		lists.Left = []string{}
	}
	return lists
}

// keyChanges says whose keys changed between two syncs.
func keyChanges(c *call) (any, error) {
	from, err := parseToken("from", c.query("from"))
	if err != nil {
		return nil, err
	}
	to, err := parseToken("to", c.query("to"))
	if err != nil {
		return nil, err
	}
	return showDeviceLists(c.server.DeviceListsBetween(c.user(), from, to)), nil
}

// uploadCrossSigning publishes the user's cross-signing keys. The password is asked for when there are others
// already: who has stolen an access token could put themselves in the user's place.
func uploadCrossSigning(c *call) (any, error) {
	var in struct {
		Auth json.RawMessage `json:"auth"`
		homeserver.CrossSigning
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	now := c.server.CrossSigningOf(c.user())
	if now.Master != nil && !now.Same(in.CrossSigning) {
		if err := c.interact(in.Auth, passwordStage, c.checkOwnPassword); err != nil {
			return nil, err
		}
	}
	return empty{}, c.server.SetCrossSigning(c.user(), in.CrossSigning)
}

func uploadSignatures(c *call) (any, error) {
	var in homeserver.Signatures
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	failures := map[string]map[string]any{}
	for user, keys := range c.server.AddSignatures(c.user(), in) {
		failures[user] = map[string]any{}
		for id, err := range keys {
			failures[user][id] = asAPIError(err).body()
		}
	}
	return map[string]any{"failures": failures}, nil
}

// sendToDevice sends messages to devices, once for each transaction id of the device.
func sendToDevice(c *call) (any, error) {
	var in struct {
		Messages homeserver.DeviceMessages `json:"messages"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := checkChosen("the transaction id", c.vars["txnId"]); err != nil {
		return nil, err
	}
	if in.Messages == nil {
		return nil, missing("the request lacks messages")
	}
	txn := homeserver.Transaction{Endpoint: "sendToDevice " + c.vars["eventType"], ID: c.vars["txnId"]}
	_, err := c.device.Once(c.r.Context(), txn, func(func(string)) error {
		c.server.SendToDevices(c.user(), c.vars["eventType"], in.Messages, c.device.Made(txn, "")...)
		return nil
	})
	return empty{}, err
}
