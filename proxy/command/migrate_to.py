"""`pointsman migrate-to`: everything that is kept, into another database."""

from __future__ import annotations

import click

from proxy.command.commands import Failed, Given, Stop, say


@click.command("migrate-to")
@click.argument("url")
@click.pass_obj
def migrate_to(given: Given, url: str) -> None:
    """Carry everything over to another, empty database.

    Such as: pointsman migrate-to postgresql+psycopg://user:password@host/name
    """
    from proxy.store.base import NewerSchemaError, StoreError
    from proxy.store.carry import carry_over
    from proxy.store.database import Database

    settings = given.settings()
    if url == settings.store_url:
        raise Stop("that is the database that is in use")
    source, target = Database(settings.store_url), Database(url)
    try:
        counts = carry_over(source, target)
    except (StoreError, NewerSchemaError) as error:
        raise Failed(str(error)) from None
    finally:
        source.close()
        target.close()
    say("✓ Carried over: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    say("  POINTSMAN_DATABASE_URL has to name it from now on.")
