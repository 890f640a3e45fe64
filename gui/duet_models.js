// With which model each player plays, and the knobs that were learned.

class Models {
  constructor() { Object.assign(this, { names: [], players: [], target: {}, knobs: null }); }

  show(players, names = this.names) { // a list for each player who has a model
    Object.assign(this, { names, players: players.filter((p) => p.model), target: {}, knobs: null });
    $("models").replaceChildren(...this.players.map((p, i) => this.row(p, BACH.models[i])));
  }

  row(player, control) {
    const label = t("duet_model_of", { who: player.name }), knob = bach.element("label", { className: "knob" });
    const select = bach.element("select", { id: `model-${player.name}` }), chooser = bach.element("span", { className: "chooser" });
    const names = this.names.includes(player.model) ? this.names : [player.model, ...this.names];
    select.append(...names.map((name) => bach.element("option", { value: name, textContent: name })));
    select.dataset.player = player.name;
    select.value = player.model;
    select.onchange = () => { $("refused").textContent = ""; bach.say("model", player.name, select.value); };
    chooser.append(select);
    knob.append(bach.element("span", { className: "name", textContent: label }), chooser);
    const row = bach.element("div", { className: "row" });
    row.append(knob, bach.learner(control, label));
    return row;
  }

  state({ loading, knobs }) { // loading: who is to play what soon
    const told = Object.entries(loading).map(([who, model]) => t("duet_model_loading", { who, model })).join(" ");
    if ($("loading").textContent !== told) $("loading").textContent = told;
    for (const p of this.players) {
      const now = loading[p.name] || p.model;
      if (this.target[p.name] === now) continue; // what somebody is choosing stays
      this.target[p.name] = now;
      const select = document.querySelector(`select[data-player="${CSS.escape(p.name)}"]`);
      if (select && select.value !== now) select.value = now;
    }
    this.learned(knobs);
  }

  refused() { this.target = {}; }

  learned(knobs) {
    const shown = JSON.stringify(knobs);
    if (shown === this.knobs) return;
    this.knobs = shown;
    $("knobs").replaceChildren(...knobs.map(([number, name]) => {
      const item = bach.element("li", { textContent: t("duet_knob", { number, what: this.what(name) }) });
      const forget = bach.element("button", { type: "button", className: "button", textContent: t("duet_forget") });
      forget.setAttribute("aria-label", t("duet_forget_long", { number, what: this.what(name) }));
      forget.onclick = () => bach.say("forget", number);
      item.append(forget);
      return item;
    }));
    $("no-knobs").hidden = knobs.length > 0;
  }

  what(name) {
    const at = BACH.models.indexOf(name);
    return at < 0 ? t(`duet_${name}`) : t("duet_model_of", { who: this.players[at]?.name ?? at + 1 });
  }
}
