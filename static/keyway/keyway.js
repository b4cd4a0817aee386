/*
 * Progressive enhancement only: every page works without this file.
 * Handlers are attached to the document, so markup that a dialog loads later only needs enhance().
 */
(() => {
  // biome-ignore lint/suspicious/noRedundantUseStrict: the page loads a classic script, not a module.
  "use strict";

  // Menus ------------------------------------------------------------------------------------------

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!except || !menu.contains(except)) menu.open = false;
    }
  };

  document.addEventListener("click", (event) => {
    closeMenus(event.target);
    if (event.target.closest(".menu-panel a")) closeMenus();
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.menu[open]");
    if (!menu) return;
    if (event.key === "Escape") {
      event.preventDefault();
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = [...menu.querySelectorAll(".menu-panel :is(a[href], button)")];
      const step = event.key === "ArrowDown" ? 1 : -1;
      const at = items.indexOf(document.activeElement);
      event.preventDefault();
      items.at(at < 0 ? (step > 0 ? 0 : -1) : (at + step) % items.length)?.focus();
    }
  });

  document.addEventListener("focusout", (event) => {
    const menu = event.target.closest?.("details.menu[open]");
    if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });

  // Copy -------------------------------------------------------------------------------------------

  const announce = (near, text) => {
    const inside = near.closest("dialog");
    const region = [...document.querySelectorAll("[data-announce]")].find((each) => each.closest("dialog") === inside);
    if (region) region.textContent = text;
  };

  const selectText = (source) => {
    if (source.select) return source.select();
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };

  // navigator.clipboard is missing on plain-http hosts of a local network, so fall back to execCommand.
  const copy = async (source) => {
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      return true;
    } catch {
      const field = source.matches("input[readonly]") ? source : null;
      field?.focus();
      selectText(source);
      return document.execCommand("copy");
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    const label = button.querySelector("[data-copy-label]") ?? button;
    button.dataset.label ??= label.textContent;
    const before = button.dataset.label;
    const copied = await copy(source);
    if (!copied) selectText(source);
    else button.focus();
    label.textContent = copied ? "Copied" : "Press Ctrl+C";
    announce(button, copied ? "Copied to the clipboard" : "Couldn’t copy. Press Ctrl+C.");
    setTimeout(() => { label.textContent = before; }, 4000);
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.matches("input[readonly][data-secret]")) event.target.select();
  });

  // The one-time display of a secret ---------------------------------------------------------------

  const secrets = (root = document) => [...root.querySelectorAll("[data-secret]")];
  const wipe = (root = document) => {
    for (const element of secrets(root)) {
      if ("value" in element) {
        element.value = "";
        element.defaultValue = "";
      } else {
        element.textContent = "";
      }
      element.removeAttribute("data-secret");
    }
  };

  addEventListener("beforeunload", (event) => {
    if (secrets().length) event.preventDefault();
  });
  addEventListener("pagehide", () => wipe());
  addEventListener("pageshow", (event) => {
    // The back/forward cache restores a page whose secret was wiped. Reload it with a GET.
    if (event.persisted && document.querySelector("[data-reveal]")) location.replace(location.href);
  });

  // Capture phase: wipe the field before any other handler, such as the dialog's, reads the form.
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-reveal-done]")) wipe(event.target.closest("[data-reveal]") ?? document);
  }, true);

  // Dialogs ----------------------------------------------------------------------------------------

  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.innerHTML =
    '<header class="dialog-header"><h2 id="dialog-title" tabindex="-1"></h2>' +
    '<button type="button" class="button button-ghost button-small" data-dialog-close>Close</button></header>' +
    '<div class="dialog-body"></div><div class="visually-hidden" role="status" data-announce></div>';
  const title = dialog.querySelector("h2");
  const body = dialog.querySelector(".dialog-body");
  const closer = dialog.querySelector("[data-dialog-close]");
  let opener = null;
  let address = "";
  let changed = false;

  const leave = (url) => {
    changed = false;
    dialog.close();
    if (url.split("#")[0] === location.href.split("#")[0]) location.reload();
    else location.assign(url);
  };

  /* Replace <main> with the reloaded page's, so that its messages are not lost. */
  const replaceMain = (page) => {
    document.querySelector("main").replaceWith(page.querySelector("main"));
    changed = false;
    dialog.close();
    enhance(document);
    const target = document.querySelector("main [data-messages]") ?? sameAs(opener) ?? document.querySelector("main");
    if (target.tabIndex < 0) target.tabIndex = -1;
    target.focus();
  };

  /* Find the dialog's opener in the replaced <main>, to return the focus to it. */
  const sameAs = (old) => {
    const href = (old?.matches("summary") ? old.parentElement.querySelector("a[data-dialog]") : old)?.getAttribute("href");
    const link = href && document.querySelector(`main a[data-dialog][href="${CSS.escape(href)}"]`);
    return link ? (link.closest("details.menu")?.querySelector("summary") ?? link) : null;
  };

  const refresh = async () => {
    try {
      const response = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (response.redirected || !page.querySelector("main")) location.reload();
      else replaceMain(page);
    } catch {
      location.reload();
    }
  };

  const show = (page, url) => {
    const fragment = page.querySelector("[data-dialog-content]");
    if (!fragment) {
      if (new URL(url).pathname === location.pathname && page.querySelector("main")) replaceMain(page);
      else leave(url);
      return;
    }
    address = url;
    const notes = page.querySelector("main [data-messages]");
    title.textContent = page.querySelector("h1")?.textContent.trim() ?? "";
    body.replaceChildren(...[notes, fragment].filter(Boolean));
    enhance(dialog);
    const secret = secrets(dialog).length > 0;
    closer.hidden = secret;
    dialog.toggleAttribute("data-guarded", secret);
    if (!dialog.isConnected) document.body.append(dialog);
    if (!dialog.open) dialog.showModal();
    const first = body.querySelector("[autofocus], [data-error-summary], input[data-secret]");
    (first ?? title).focus();
    dialog.scrollTop = 0;
  };

  const load = async (url, options = {}) => {
    dialog.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(url, { ...options, credentials: "same-origin" });
      const landed = new URL(response.url);
      if (landed.origin !== location.origin || landed.pathname.startsWith("/accounts/")) {
        // Re-authentication needs the whole page. It returns to the same address.
        leave(response.redirected ? response.url : url);
        return;
      }
      if (options.method === "post") changed = true;
      show(new DOMParser().parseFromString(await response.text(), "text/html"), response.url);
    } catch {
      announce(title, "Couldn’t reach the server.");
      if (!dialog.open) location.assign(url);
      else body.prepend(problem());
    } finally {
      dialog.removeAttribute("aria-busy");
    }
  };

  const problem = () => {
    const alert = document.createElement("p");
    alert.className = "alert alert-danger messages";
    alert.textContent = "Couldn’t reach the server. Your change may or may not have been saved. Check before you try again.";
    return alert;
  };

  const refused = () => dialog.hasAttribute("data-guarded") && secrets(dialog).length > 0;

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    // data-dialog="inside" loads the link in the open dialog, and is a plain link on a page.
    const here = link && (link.dataset.dialog !== "inside" || dialog.contains(link));
    if (here && plain && typeof dialog.showModal === "function") {
      event.preventDefault();
      if (!dialog.contains(link)) opener = link.closest("details.menu")?.querySelector("summary") ?? link;
      load(link.href);
      return;
    }
    if (event.target.closest("[data-dialog-close]") && dialog.contains(event.target)) {
      event.preventDefault();
      if (!refused()) dialog.close();
    }
  });

  dialog.addEventListener("cancel", (event) => {
    if (refused()) event.preventDefault();
  });
  // Browsers close the dialog on a second Escape even if cancel was prevented, so stop the key itself.
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && refused()) event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    wipe(dialog);
    body.replaceChildren();
    if (changed) refresh();
    else (opener?.isConnected ? opener : document.querySelector("main"))?.focus();
  });

  dialog.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog") return;
    event.preventDefault();
    if (dialog.getAttribute("aria-busy") === "true") return;
    const data = new FormData(form, event.submitter);
    const url = new URL(form.getAttribute("action") || address, address);
    if (form.method === "post") {
      load(url.href, { method: "post", body: new URLSearchParams(data), redirect: "follow" });
    } else {
      if ([...data].length) url.search = new URLSearchParams(data);
      load(url.href);
    }
  });

  // Forms ------------------------------------------------------------------------------------------

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-submit-on-change]");
    if (form) form.requestSubmit();
  });

  /* Disable a form's button while a required field is empty, and say why beside it. */
  const require = (form) => {
    const isMissing = !form.elements[form.dataset.requires].value.trim();
    form.querySelector("button[type=submit]").disabled = isMissing;
    form.querySelector("[data-requires-why]").hidden = !isMissing;
  };

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-requires]");
    if (form) require(form);
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-requires]").forEach(require));

  document.addEventListener("click", (event) => {
    const preset = event.target.closest("[data-preset]");
    if (!preset) return;
    const names = preset.dataset.preset.split(" ");
    for (const box of preset.form.querySelectorAll("input[name=scopes]:not(:disabled)")) box.checked = names.includes(box.value);
  });

  const choices = (form) => [...form.elements].filter((element) => element.name === "key");
  const count = (form) => {
    const chosen = choices(form).filter((box) => box.checked).length;
    form.querySelector("[data-choose-count]").textContent = `${chosen} selected`;
    form.querySelector("[data-choose-all]").checked = chosen > 0 && chosen === choices(form).length;
    for (const button of form.querySelectorAll("button")) button.disabled = !chosen;
  };

  document.addEventListener("change", (event) => {
    const form = event.target.form?.closest("form[data-choose]");
    if (!form) return;
    if (event.target.matches("[data-choose-all]")) for (const box of choices(form)) box.checked = event.target.checked;
    count(form);
  });

  const enhance = (root) => {
    for (const button of root.querySelectorAll("[data-copy][hidden], [data-needs-script][hidden]")) button.hidden = false;
    root.querySelectorAll("form[data-requires]").forEach(require);
    root.querySelectorAll("form[data-choose]").forEach(count);
    if (root === document) root.querySelector("[data-error-summary]")?.focus();
    // Screen readers announce a change to a live region, not one that was there from the start.
    const said = root === document && root.querySelector("[data-messages]");
    if (said) setTimeout(() => announce(said, said.textContent.trim().replace(/\s+/g, " ")), 300);
  };

  enhance(document);
})();
