"""The relay of Amanah: orders, stores and forwards sealed envelopes that it cannot read."""
