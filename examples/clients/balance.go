// A client in Go: restores an account, reads its balance, is told of its next entry by a callback, saves the account,
// and hands out a weaker reference to it that it revokes.
//
// usage: balance REFS NAME
//
// The packages sturdy/schema/... are what capnpc-go makes of schema/sturdy.capnp and examples/ledger/ledger.capnp.
package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"capnproto.org/go/capnp/v3"
	"capnproto.org/go/capnp/v3/rpc"
	"capnproto.org/go/capnp/v3/std/capnp/persistent"

	"sturdy/schema/ledger"
	"sturdy/schema/sturdy"
)

// ref is a sturdyref: the place of a broker, and the secret that it restores.
type ref struct {
	place  string
	secret []byte
}

func parseRef(printed string) (ref, error) {
	place, text, _ := strings.Cut(strings.TrimSpace(printed), "#")
	secret, err := base64.RawURLEncoding.DecodeString(text)
	// No error may say what the secret is.
	if err != nil || len(secret) != 33 || secret[0] != 1 {
		return ref{}, errors.New("not a sturdyref: behind the # stand 33 bytes in base64url, the first of them a 1")
	}
	return ref{place, secret}, nil
}

// dial connects to the broker that the reference names, where its secret is safe on the way.
func (r ref) dial() (net.Conn, error) {
	if path, ok := strings.CutPrefix(r.place, "sturdy+unix://"); ok {
		path, err := url.PathUnescape(path)
		if err != nil {
			return nil, err
		}
		return net.Dial("unix", path)
	}
	address, err := url.Parse(r.place)
	if err != nil || address.Scheme != "sturdy" {
		return nil, errors.New("not a sturdyref: it starts with neither sturdy+unix:// nor sturdy://")
	}
	if address.User != nil {
		key, _ := address.User.Password()
		return tls.Dial("tcp", address.Host, knownBy(key))
	}
	if host := net.ParseIP(address.Hostname()); host == nil || !host.IsLoopback() {
		return nil, errors.New("a reference without a key is for the loopback address only")
	}
	return net.Dial("tcp", address.Host)
}

// knownBy lets a server in by the SHA-256 of its public key, before anything is sent to it. Nobody is asked for its name.
func knownBy(key string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			found := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if base64.RawURLEncoding.EncodeToString(found[:]) != key {
				return errors.New("the server has another key than the reference names; nothing was sent to it")
			}
			return nil
		},
	}
}

// broker is a connection to the broker at a place.
type broker struct {
	place string
	conn  *rpc.Conn
	gate  sturdy.Gate
}

func connect(ctx context.Context, r ref) (*broker, error) {
	socket, err := r.dial()
	if err != nil {
		return nil, err
	}
	conn := rpc.NewConn(rpc.NewStreamTransport(socket), nil)
	return &broker{r.place, conn, sturdy.Gate(conn.Bootstrap(ctx))}, nil
}

// restore gives a promise of the object, good until it is released. Only the broker that a reference names is shown it.
func (b *broker) restore(ctx context.Context, r ref) (capnp.Client, capnp.ReleaseFunc) {
	if r.place != b.place {
		return capnp.ErrorClient(errors.New("this reference is for another broker")), func() {}
	}
	restored, release := b.gate.Restore(ctx, func(params sturdy.Gate_restore_Params) error {
		own, err := params.NewRef()
		if err != nil {
			return err
		}
		return own.SetSecret(r.secret)
	})
	return restored.Cap(), release
}

// watcher is a callback: an object of this side that the account calls.
type watcher chan int64

func (w watcher) Booked(_ context.Context, call ledger.Watcher_booked) error {
	entry, err := call.Args().Entry()
	if err == nil {
		w <- entry.Cents()
	}
	return err
}

func balanceOf(ctx context.Context, account ledger.Account) (int64, error) {
	answer, release := account.Balance(ctx, nil)
	defer release()
	results, err := answer.Struct()
	if err != nil {
		return 0, err
	}
	return results.Cents(), nil
}

func run(ctx context.Context, file, name string) error {
	r, err := referenceNamed(file, name)
	if err != nil {
		return err
	}
	broker, err := connect(ctx, r)
	if err != nil {
		return err
	}
	defer broker.conn.Close()

	// Pipelined: the balance is asked for before the restore has returned.
	restored, release := broker.restore(ctx, r)
	defer release()
	account := ledger.Account(restored)
	cents, err := balanceOf(ctx, account)
	if err != nil {
		return err
	}
	fmt.Println("balance", cents)

	told := make(watcher, 1)
	watching, release := account.Watch(ctx, func(params ledger.Account_watch_Params) error {
		return params.SetWatcher(ledger.Watcher_ServerToClient(told))
	})
	defer release()
	if _, err := watching.Struct(); err != nil {
		return err
	}
	booked, release := account.Deposit(ctx, func(params ledger.Account_deposit_Params) error {
		params.SetCents(1)
		return params.SetMemo("a client")
	})
	defer release()
	if _, err := booked.Struct(); err != nil {
		return err
	}
	fmt.Println("booked", <-told)

	// A reference as strong as the account, for whoever knows it.
	delegable := sturdy.Delegable(account)
	saving, release := delegable.Save(ctx, func(params persistent.Persistent_SaveParams) error {
		owner, err := sturdy.NewOwner(params.Segment())
		if err != nil {
			return err
		}
		owner.SetAnyone()
		return params.SetSealFor(owner.ToPtr())
	})
	defer release()
	saved, err := saving.Struct()
	if err != nil {
		return err
	}
	pointer, err := saved.SturdyRef()
	if err != nil {
		return err
	}
	secret, err := sturdy.SturdyRef(pointer.Struct()).Secret()
	if err != nil {
		return err
	}
	again, release := broker.restore(ctx, ref{broker.place, secret})
	defer release()
	if cents, err = balanceOf(ctx, ledger.Account(again)); err != nil {
		return err
	}
	fmt.Println("restored", cents)

	// A weaker one, which can read the balance and no more, and the power to revoke it.
	minting, release := delegable.Attenuate(ctx, func(params sturdy.Delegable_attenuate_Params) error {
		policy, err := params.NewPolicy()
		if err != nil {
			return err
		}
		allowed, err := policy.Methods().NewOnly(1)
		if err != nil {
			return err
		}
		allowed.At(0).SetInterface(ledger.Account_TypeID)
		methods, err := allowed.At(0).NewMethods(1)
		if err != nil {
			return err
		}
		return errors.Join(methods.Set(0, "balance"), params.SetLabel("balance only"))
	})
	defer release()
	minted, err := minting.Struct()
	if err != nil {
		return err
	}
	reader := ledger.Account(minted.Cap())
	if _, err := balanceOf(ctx, reader); err != nil {
		return err
	}
	revoking, release := minted.Grant().Revoke(ctx, nil)
	defer release()
	if _, err := revoking.Struct(); err != nil {
		return err
	}
	if _, err := balanceOf(ctx, reader); err == nil {
		return errors.New("a revoked capability still works")
	}
	fmt.Println("revoked")
	return nil
}

func referenceNamed(file, name string) (ref, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return ref{}, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		if printed, ok := strings.CutPrefix(line, name+" "); ok {
			return parseRef(printed)
		}
	}
	return ref{}, fmt.Errorf("%s has no reference %s", file, name)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: balance REFS NAME")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
