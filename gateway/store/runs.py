"""When a replay or remap is over: SQL for both engines."""

FINISH_RUNS = """
UPDATE runs SET state = 'done' WHERE state = 'running' AND NOT EXISTS (
    SELECT 1 FROM destinations n WHERE n.run = runs.id AND (
        EXISTS (SELECT 1 FROM deliveries d WHERE d.destination = n.id AND d.state = 0)
        OR EXISTS (SELECT 1 FROM deliveries d WHERE d.destination = n.id AND d.state IN (1, 3))
        OR EXISTS (SELECT 1 FROM deliveries d WHERE d.destination = n.id AND d.state = 2)))
"""
"""All deliveries are made, and none is pending. The states stand there as the partial indexes have them."""
