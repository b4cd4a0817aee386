"""Edit a key."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys import services
from apikeys.models import Key
from apikeys.services.callers import Caller
from apikeys.views.came_from import return_page
from apikeys.views.door import key_page
from apikeys.views.key_edit_form import KeyEditForm
from apikeys.views.listing import KeyRow
from config.lib.errors import KeywayError
from tenants.sign_in.recent import kept_fields, recent_sign_in


@require_http_methods(["GET", "POST"])
@key_page(to_change=True)
@recent_sign_in
def key_edit(request: HttpRequest, caller: Caller, key: Key) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    within = caller.authority_in(key.organization_id)
    form = KeyEditForm(data, key=key, within=within, now=timezone.now())
    if request.method != "POST" or not form.is_valid():
        return _form(request, key, form)
    try:
        services.edit(key=key, changes=form.changes(), within=within, by=caller.actor)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, key, form)
    messages.success(request, f"Saved {form.cleaned_data['name']}.")
    return HttpResponseRedirect(return_page(request, key).url)


def _form(request: HttpRequest, key: Key, form: KeyEditForm) -> HttpResponse:
    context = {
        "key": key,
        "form": form,
        "row": KeyRow(key, timezone.now()),
        "back": return_page(request, key),
    }
    return render(
        request,
        "apikeys/key_edit.html",
        context,
        status=422 if request.method == "POST" else 200,
    )
