//! A DNS in which nothing is published.

use std::net::{SocketAddr, UdpSocket};

/// Says of every name that it does not exist (RFC 1035 §4.1.1).
pub(crate) fn nothing_published() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut message = [0; 1_500];
        while let Ok((length, client)) = socket.recv_from(&mut message) {
            // The question as a response with recursion.
            message[2] |= 0x80;
            message[3] = 0x83;
            let _ = socket.send_to(&message[..length], client);
        }
    });
    address
}
