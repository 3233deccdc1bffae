"""Webhooks: delivery, queue, retries and signatures."""
