"""Which way bytes went, counted outside of the engine that asked for them."""


class Counted:
    """Bytes since it was made: what the engine read from the storage itself, what Larder did, and what Larder sent, by tier
    and all together. The engine's own reads are counted by its relay `storage`."""

    def __init__(self, engine, origin, larder):
        self.parts = engine, origin, larder
        self.before = self._now()

    def _now(self) -> dict:
        engine, origin, larder = self.parts
        return {
            "engine": engine.storage.bytes_out,
            "larder": origin.bytes_out,
            "tiers": sum(larder.metric("larder_get_bytes_total", tier=tier) for tier in ("memory", "ssd")),
            "sent": larder.metric("larder_get_bytes_total"),
        }

    def __getattr__(self, name: str) -> float:
        return self._now()[name] - self.before[name]
