"""Pages of a list that name their neighbors."""

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Page, Paginator


class NumberedPage(Page[Any]):
    @property
    def numbers(self) -> Iterator[int | str]:
        """The first and last page, the ones beside this one, and an ellipsis for each gap."""
        return self.paginator.get_elided_page_range(self.number, on_each_side=2, on_ends=1)


class NumberedPaginator(Paginator[Any]):
    def _get_page(self, *args: Any, **kwargs: Any) -> NumberedPage:
        return NumberedPage(*args, **kwargs)
