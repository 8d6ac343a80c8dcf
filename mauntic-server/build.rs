//! Builds anew when `cargo xtask assets` has put files where they are embedded from.

fn main() {
    println!("cargo::rerun-if-changed=assets");
}
