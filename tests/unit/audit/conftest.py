from tests.homes import new_home as new_home
from tests.homes import papers as papers
