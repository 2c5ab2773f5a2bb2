"""The audit log: Merkle tree, tiles, signed notes, checkpoints and the proofs made of them."""
