package main

import (
	"context"
	"log/slog"
	"net"
	"os"

	"capnproto.org/go/capnp/v3"
	"capnproto.org/go/capnp/v3/rpc"
	"capnproto.org/go/capnp/v3/rpc/transport"

	"sturdy/schema/sturdy"
)

// codec is the library's own stream codec with larger limits.
type codec struct {
	net.Conn
	*capnp.Decoder
	*capnp.Encoder
}

func (c codec) Decode() (*capnp.Message, error) {
	message, err := c.Decoder.Decode()
	if err == nil {
		message.ResetReadLimit(2 * taken)
	}
	return message, err
}

// newConn makes a connection of a socket; bootstrap becomes the connection's own.
func newConn(socket net.Conn, bootstrap capnp.Client) *rpc.Conn {
	decoder := capnp.NewDecoder(socket)
	decoder.MaxMessageSize = taken
	stream := transport.New(codec{socket, decoder, capnp.NewEncoder(socket)})
	// Why a connection ended is in the log of errors.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return rpc.NewConn(stream, &rpc.Options{BootstrapClient: bootstrap, Logger: log})
}

// connected is a connection of ours.
type connected struct {
	socket net.Conn
	conn   *rpc.Conn
	gate   sturdy.Gate
}

func connectTo(path string) (*connected, error) {
	socket, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	conn := newConn(socket, capnp.Client{})
	return &connected{socket, conn, sturdy.Gate(conn.Bootstrap(context.Background()))}, nil
}

// restore gives what the reference restores to: a promise of it, good until it is released.
func (c *connected) restore(secret []byte) (capnp.Client, capnp.ReleaseFunc) {
	restored, release := c.gate.Restore(context.Background(), func(params sturdy.Gate_restore_Params) error {
		ref, err := params.NewRef()
		if err != nil {
			return err
		}
		return ref.SetSecret(secret)
	})
	return restored.Cap(), release
}
