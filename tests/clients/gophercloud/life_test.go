// Package gophercloud drives the facade with gophercloud v2, unmodified.
//
// It is run by tests/clients/test_gophercloud.py, which names the facade and the node in the environment.
package gophercloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/noauth"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/attachments"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumetypes"
)

const (
	initiator = "iqn.1993-08.org.debian:01:cad181614cec"
	// Named in every create: without one gophercloud sends an empty text, which the service refuses.
	server = "a7816a4b-fe9d-4767-99eb-38bb87113407"
)

var ctx = context.Background()

// storage returns a client of the facade at a microversion.
func storage(t *testing.T, microversion string) *gophercloud.ServiceClient {
	t.Helper()
	provider, err := noauth.NewClient(gophercloud.AuthOptions{Username: "alice", TenantName: os.Getenv("FAIRLEAD_PROJECT")})
	must(t, err)
	client, err := noauth.NewBlockStorageNoAuthV3(provider, noauth.EndpointOpts{CinderEndpoint: os.Getenv("FAIRLEAD_URL") + "/v3"})
	must(t, err)
	client.Type = "volume"
	client.Microversion = microversion
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, status int) {
	t.Helper()
	var unexpected gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &unexpected) || unexpected.Actual != status {
		t.Fatalf("want status %d, got %v", status, err)
	}
}

// node lets a real initiator do something with an export and tells whether it could.
func node(t *testing.T, what string, info map[string]any) bool {
	t.Helper()
	given, err := json.Marshal(info)
	must(t, err)
	command := exec.Command(os.Getenv("FAIRLEAD_PYTHON"), os.Getenv("FAIRLEAD_NODE"), what, initiator)
	command.Stdin = bytes.NewReader(given)
	command.Stderr = os.Stderr
	err = command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		return false
	}
	must(t, err)
	return true
}

func newVolume(t *testing.T, options volumes.CreateOpts) *volumes.Volume {
	t.Helper()
	client := storage(t, "3.71")
	options.Size = 1
	volume, err := volumes.Create(ctx, client, options, nil).Extract()
	must(t, err)
	waitFor(t, volume.ID, "available")
	return volume
}

func waitFor(t *testing.T, id, status string) {
	t.Helper()
	limit, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	must(t, volumes.WaitForStatus(limit, storage(t, "3.71"), id, status))
}

func connector() map[string]any {
	return map[string]any{"initiator": initiator, "host": "node-1", "ip": "192.0.2.20", "mountpoint": "/dev/vdb"}
}

func TestTheLifeOfAVolume(t *testing.T) {
	client := storage(t, "3.54")
	volume := newVolume(t, volumes.CreateOpts{Name: "data", Metadata: map[string]string{"k": "v"}})

	attachment, err := attachments.Create(ctx, client, attachments.CreateOpts{VolumeUUID: volume.ID, InstanceUUID: server}).Extract()
	must(t, err)
	if attachment.Status != "reserved" || !attachment.AttachedAt.IsZero() {
		t.Fatalf("a reservation: %+v", attachment)
	}
	attachment, err = attachments.Update(ctx, client, attachment.ID, attachments.UpdateOpts{Connector: connector()}).Extract()
	must(t, err)
	info := attachment.ConnectionInfo
	if !node(t, "write", info) || !node(t, "read", info) {
		t.Fatal("the node cannot write and read")
	}
	must(t, attachments.Complete(ctx, client, attachment.ID).ExtractErr())
	limit, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	must(t, attachments.WaitForStatus(limit, client, attachment.ID, "attached"))

	shown, err := volumes.Get(ctx, client, volume.ID).Extract()
	must(t, err)
	if shown.Status != "in-use" || len(shown.Attachments) != 1 || shown.Attachments[0].ServerID != server {
		t.Fatalf("the attached volume: %+v", shown)
	}
	pages, err := attachments.List(client, attachments.ListOpts{VolumeID: volume.ID, InstanceID: server}).AllPages(ctx)
	must(t, err)
	listed, err := attachments.ExtractAttachments(pages)
	must(t, err)
	if len(listed) != 1 || listed[0].ID != attachment.ID || listed[0].AttachedAt.IsZero() {
		t.Fatalf("the list: %+v", listed)
	}

	must(t, attachments.Delete(ctx, client, shown.Attachments[0].AttachmentID).ExtractErr())
	if node(t, "login", info) {
		t.Fatal("the node still gets in")
	}
	waitFor(t, volume.ID, "available")
	must(t, volumes.Delete(ctx, client, volume.ID, volumes.DeleteOpts{}).ExtractErr())
}

func TestCompletingAReservationWithoutAConnector(t *testing.T) {
	volume := newVolume(t, volumes.CreateOpts{})
	attachment, err := attachments.Create(ctx, storage(t, "3.27"), attachments.CreateOpts{VolumeUUID: volume.ID, InstanceUUID: server}).Extract()
	must(t, err)
	client := storage(t, "3.44")
	must(t, attachments.Complete(ctx, client, attachment.ID).ExtractErr())
	waitFor(t, volume.ID, "in-use")
	must(t, attachments.Delete(ctx, client, attachment.ID).ExtractErr())
	waitFor(t, volume.ID, "available")
}

func TestVolumesAreChangedAndListed(t *testing.T) {
	client := storage(t, "3.71")
	volume := newVolume(t, volumes.CreateOpts{Name: "old"})
	name := "new"
	_, err := volumes.Update(ctx, client, volume.ID, volumes.UpdateOpts{Name: &name}).Extract()
	must(t, err)
	must(t, volumes.ExtendSize(ctx, client, volume.ID, volumes.ExtendSizeOpts{NewSize: 2}).ExtractErr())
	waitFor(t, volume.ID, "available")
	must(t, volumes.SetBootable(ctx, client, volume.ID, volumes.BootableOpts{Bootable: true}).ExtractErr())
	pages, err := volumes.List(client, volumes.ListOpts{Name: name, Limit: 1}).AllPages(ctx)
	must(t, err)
	found, err := volumes.ExtractVolumes(pages)
	must(t, err)
	if len(found) != 1 || found[0].Size != 2 || found[0].Bootable != "true" {
		t.Fatalf("the list: %+v", found)
	}
	must(t, volumes.ResetStatus(ctx, client, volume.ID, volumes.ResetStatusOpts{Status: "error"}).ExtractErr())
	waitFor(t, volume.ID, "error")
	must(t, volumes.ForceDelete(ctx, client, volume.ID).ExtractErr())
}

func TestTheOlderActions(t *testing.T) {
	client := storage(t, "3.71")
	volume := newVolume(t, volumes.CreateOpts{})
	must(t, volumes.Reserve(ctx, client, volume.ID).ExtractErr())
	must(t, volumes.Unreserve(ctx, client, volume.ID).ExtractErr())
	info, err := volumes.InitializeConnection(ctx, client, volume.ID, volumes.InitializeConnectionOpts{
		Host: "node-1", IP: "192.0.2.20", Initiator: initiator,
	}).Extract()
	must(t, err)
	data, ok := info["data"].(map[string]any)
	if !ok || !node(t, "login", data) {
		t.Fatalf("the connection: %v", info)
	}
	must(t, volumes.Attach(ctx, client, volume.ID, volumes.AttachOpts{MountPoint: "/mnt", Mode: "rw", InstanceUUID: server}).ExtractErr())
	must(t, volumes.BeginDetaching(ctx, client, volume.ID).ExtractErr())
	must(t, volumes.TerminateConnection(ctx, client, volume.ID, volumes.TerminateConnectionOpts{
		Host: "node-1", Initiator: initiator,
	}).ExtractErr())
	must(t, volumes.Detach(ctx, client, volume.ID, volumes.DetachOpts{}).ExtractErr())
	waitFor(t, volume.ID, "available")
}

func TestVolumeTypes(t *testing.T) {
	client := storage(t, "3.71")
	pages, err := volumetypes.List(client, volumetypes.ListOpts{}).AllPages(ctx)
	must(t, err)
	types, err := volumetypes.ExtractVolumeTypes(pages)
	must(t, err)
	for _, found := range types {
		got, err := volumetypes.Get(ctx, client, found.ID).Extract()
		must(t, err)
		if got.Name != found.Name {
			t.Fatalf("%+v is not %+v", got, found)
		}
	}
	if len(types) < 2 {
		t.Fatalf("the types: %+v", types)
	}
}

func TestRefusals(t *testing.T) {
	client := storage(t, "3.54")
	volume := newVolume(t, volumes.CreateOpts{})
	_, err := attachments.Create(ctx, client, attachments.CreateOpts{
		VolumeUUID: volume.ID, InstanceUUID: server, Connector: connector(),
	}).Extract()
	must(t, err)
	_, err = attachments.Create(ctx, client, attachments.CreateOpts{VolumeUUID: volume.ID, InstanceUUID: server}).Extract()
	refused(t, err, http.StatusBadRequest)
	_, err = attachments.Get(ctx, client, server).Extract()
	refused(t, err, http.StatusNotFound)
	refused(t, volumes.Delete(ctx, client, volume.ID, volumes.DeleteOpts{}).ExtractErr(), http.StatusBadRequest)
}
