"""`make fidelity`: writes the page anew."""

from tests.fidelity.page import PAGE, page

PAGE.write_text(page(), "utf-8")
