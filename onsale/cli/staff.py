"""`onsale staff`: creates the people who run events."""

from __future__ import annotations

import os
from uuid import uuid4

import click

from onsale.config import Config
from onsale.db import catalogue
from onsale.db import staff as record
from onsale.db.engine import make_engine, transaction
from onsale.db.staff import Role, Staff
from onsale.web.passwords import hashed

# A sentence of four words, or 12 random characters; NIST asks for 8 (SP 800-63B) of what a site also locks out.
PASSWORD_CHARACTERS_MIN = 12


@click.group("staff")
def staff() -> None:
    """Create the people who run events. Everything else they do in the console."""


@staff.command("create")
@click.argument("email")
@click.option("--organiser", required=True, help="Whose events; made if there is none of that name.")
@click.option("--role", type=click.Choice([each.value for each in Role]), default=Role.ADMIN.value, show_default=True)
@click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    envvar="ONSALE_STAFF_PASSWORD",
    show_envvar=True,
    help="Asked for when not given; a command line can be read by others on the machine.",
)
def create(email: str, organiser: str, role: str, password: str) -> None:
    """Create someone who may sign in to the console with EMAIL, or give them a new role and password."""
    if "@" not in email:
        raise click.BadParameter("wants an e-mail address", param_hint="EMAIL")
    if len(password) < PASSWORD_CHARACTERS_MIN:
        raise click.BadParameter(f"wants at least {PASSWORD_CHARACTERS_MIN} characters", param_hint="--password")
    engine = make_engine(Config.from_env(os.environ).database_url, application_name="onsale staff")
    try:
        with transaction(engine) as connection:
            organiser_id = catalogue.add_organiser(connection, organiser)
            known = record.by_email(connection, email)
            if known is not None and known.organiser_id != organiser_id:
                raise click.ClickException(f"{email} works for another organiser already.")
            record.put(
                connection, Staff(known.id if known else uuid4(), organiser_id, email, Role(role), hashed(password))
            )
    finally:
        engine.dispose()
    click.echo(f"{email} is {role} of {organiser} and signs in at /admin.")
