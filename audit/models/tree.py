"""The Merkle log: leaves in their order, the tree's hashes in tiles, signed checkpoints, and the keys that sign."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Leaf(models.Model):
    """A line at its place in the tree, in the canonical bytes that were hashed."""

    index = models.BigIntegerField(primary_key=True)
    line = models.BigIntegerField(unique=True)
    data = models.TextField()
    hash = models.BinaryField()

    class Meta:
        verbose_name_plural = "leaves"

    def __str__(self) -> str:
        return f"leaf {self.index}"


class Tile(models.Model):
    """Up to 256 hashes side by side, each of a full subtree of 256 to the power of `level` leaves."""

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()

    def __str__(self) -> str:
        return f"tile {self.level}/{self.index}"


class Checkpoint(models.Model):
    """What the tree was at a size, signed (C2SP tlog-checkpoint)."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField()
    note = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-size"]

    def __str__(self) -> str:
        return f"checkpoint at {self.size}"


class LogKey(models.Model):
    """An Ed25519 key that signs, or signed, checkpoints. Its private part is sealed, and forgotten when it retires."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200)
    key_hash = models.BinaryField(max_length=4)
    public = models.BinaryField(max_length=32)
    sealed = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)
    from_size = models.BigIntegerField(default=0)
    """The tree's size when it came; checkpoints beyond are signed by it."""
    rotation = models.TextField(blank=True)
    """The note in which the key before it vouches for it."""

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.name}+{bytes(self.key_hash).hex()}"


class Log(models.Model):
    """The log's name, given once, and why it stands still when it does. One row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    origin = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    halted_at = models.DateTimeField(null=True, blank=True)
    halted_reason = models.TextField(blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="there_is_one_log")]

    def __str__(self) -> str:
        return self.origin
