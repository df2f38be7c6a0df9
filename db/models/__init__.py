"""The tables as SQLAlchemy knows them."""
from sqlalchemy import MetaData
metadata = MetaData()
