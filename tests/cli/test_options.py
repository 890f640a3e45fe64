"""The table of options: all of it is in -h, and what makes no sense is refused in one sentence."""

import argparse
import functools
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import ROOT, SHIPPED

import play_bach
from cli.common import composing_of, new_model_of, runtime_of
from cli.options import OPTIONS, VERBS, Option, parser, settings_given, validate, validate_for
from config_bach import (
    Composing,
    FineTuning,
    Network,
    Paths,
    Runtime,
    Settings,
    Training,
    UserError,
)
from duet.settings import Together
from families.base import ModelFamily
from families.registry import families, family_of

PARSER = parser()  # made once: that takes ten times as long as to parse with it
TAKING = [option for option in OPTIONS if option.wanted_by]
BY_FAMILY = [
    (option, family)
    for option in OPTIONS
    for family in families()
    if family not in option.families()
]
RANGED = [
    (option, group, float(item.metadata[side]), step)
    for option in OPTIONS
    for group in (Composing, FineTuning, Network, Runtime, Together, Training)
    for item in fields(group)
    if item.name == option.sets and "low" in item.metadata
    for side, step in (("low", -1), ("high", 1))
]

# Flags that people have learned by heart.
FLAGS = """
    -f --fit -pm --predict-midi -st --stream -sl --save-lite -bf --benchmark-full -bl --benchmark-lite
    --evaluate --list --doctor -l --load --app --model-type --json --variant --threads --delegate --host
    --corpus -e --epochs --split --concatenate --normal --transpose --seqlen --units --dropout --forget
    --tensorboard --prime --notes --temperature --top-p --seed --instrument --bpm --max-copy --output
    --with-prime --without-prime --wav --musicxml --harmonise --keep --regenerate --scale --range
    --no-crossing --add-user --add-guest --self-signed --from --mix --no-scratch --duet --list-ports
    --replay --players --midi-in --midi-out --clock --way --retrieval
"""
COMMANDS = """
    -pm --wav --instrument "church organ"
    -l 0 -f -pm --app mine --model-type 2
    -pm --app mine --instrument cello --temperature 0.9 --seed 7 --wav
    -pm --app mine --prime my_tune.mid --musicxml
    -l 1 -f --app mine
    -l 1 -f --app mine --from bach --corpus FOLDER
    -f --app mine --from bach2_nc_mo --mix 0 --no-scratch -e 3 --seed 5
    --list
    -l 0 -f -pm
    -st
    -pm --model-type 5 --musicxml --instrument "oboe,clarinet,english horn,bassoon"
    -pm --model-type 5 --harmonise tune.mid --musicxml
    -pm --model-type 5 --harmonise score.musicxml --keep soprano,bass
    -pm --model-type 5 --harmonise score.musicxml --regenerate 5-8
    -pm --model-type 5 --scale "G major" --range soprano=C4-G5 --range bass=C2-C4 --no-crossing
    -l 0 -f --app choir --model-type 5 --corpus FOLDER
    --model-type 5 --evaluate music21:bach --json card.json
    -pm --max-copy 20 --variant float32 --threads 2 --delegate libsome.so
    -l 1 -sl --app mine
    -l 1 -bf -bl --app mine
    -sl micro --app mine
    -sl float32 int8 micro
    -l 1 -sl -bf -bl --app bach2_nc_mo
    -l 0 -f --app bach --model-type 2 --corpus music21:chorales
    -l 0 -f --app jsb --model-type 5 --corpus jsb.json
    --app jsb --evaluate jsb.json
    -l 0 -f --app cellowin --model-type 2 --split window --dropout 0.3 --forget 0.5 -e 60
    -l 0 -f --model-type 3 --concatenate --normal --transpose 2 --seqlen 20 --tensorboard
    -st --host 0.0.0.0 --variant dynamic --threads 1
    -pm --top-p 0.9 --bpm 80 --notes 100 --output here.mid
    -l 0 -f -pm -e 2 --seed 3 -sl -bl
    --doctor
    --add-user anna
    --add-guest
    --add-guest "uncle bob"
    --self-signed
    --self-signed bach.example 10.0.0.5 -st
"""


def words_of(option: Option) -> list[str]:
    """The option with a value, where it takes one."""
    if option.arguments().get("action") == "store_true":
        return [option.flag]
    choices = option.how.get("choices")
    values = {"--range": "alto=C3-C5", "--keep": "soprano", "--best-of": "3"}
    numbers: dict[object, str] = {int: "5", float: "0.5"}
    value = str(choices[-1]) if choices else numbers.get(option.kind, "x")
    return [option.flag, values.get(option.flag, value)]


def parsed(*words: str) -> argparse.Namespace:
    return PARSER.parse_args(words)


def sentence(refusal: pytest.ExceptionInfo[UserError]) -> str:
    """The refusal; fails if it is more than a sentence."""
    text = str(refusal.value)
    assert text.endswith(".")
    assert len(text.splitlines()) == 1
    return text


def accepted(*words: str) -> argparse.Namespace:
    """As play_bach.run does it before it begins to work."""
    args = parsed(*words)
    validate(args)
    for check in (composing_of, runtime_of, new_model_of):
        check(args)
    return args


# -h


@functools.cache
def help_by_group() -> dict[str, str]:
    """The help of the options, by their headings."""
    text = PARSER.format_help().split("\nexamples:")[0]
    parts = re.split(r"^(\S.*):$", text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda o: o.flag)
def test_every_option_is_in_the_help_once_under_its_heading(option: Option) -> None:
    found = help_by_group()
    lines = [
        (title, line)
        for title, text in found.items()
        for line in text.splitlines()
        if re.match(rf"  (-\w+( \S+)*, )?{option.flag}(?![\w-])", line)
    ]
    assert [title for title, _ in lines] == [option.group.title]
    assert all(re.search(rf"(^|[ ,]){flag}(?![\w-])", lines[0][1]) for flag in option.flags)


def test_figures_belong_to_the_report_card_and_addresses_to_the_server() -> None:
    groups = {option.flag: option.group.title for option in OPTIONS}
    assert groups["--json"] == "the report card (with --evaluate)"
    assert groups["--host"] == "the server (with -st)"


def test_the_help_tells_which_model_types_understand_an_option() -> None:
    text = " ".join(PARSER.format_help().split())
    assert "--forget P share of windows without lookback (0) [model type 2]" in text
    assert "fold the octaves of chords [model types 1, 2, 3]" in text
    assert "no voice crosses another --json" not in text
    assert (
        "no voice crosses another the report card" in text
    )  # its heading says which type it is for


def test_the_help_has_every_model_type_and_examples_that_work() -> None:
    text = PARSER.format_help()
    for family in families():
        assert f"  {family.number}  {family.summary}" in text
    examples = re.findall(r"^  play_bach\.py (.*?)(?:  |$)", text, re.M)
    assert len(examples) > 10
    for example in examples:
        accepted(*shlex.split(example))


STATED = [option for option in OPTIONS if "{default}" in option.help]
NUMBERS = [
    option
    for option in OPTIONS
    for group in (Composing, FineTuning, Network, Runtime, Training)
    for item in fields(group)
    if item.name == option.sets
    and isinstance(item.default, int | float)
    and not isinstance(item.default, bool)  # a switch
]


def stated_default(option: Option, family: ModelFamily) -> float | None:
    """The number that -h gives for a model type: '(30)', or '(type 1, 2: 30; type 5: 16)'."""
    told = option.arguments()["help"].split(" [model type")[0]
    inside = told[told.rindex("(") + 1 : told.rindex(")")]
    by_type = {
        number: float(value)
        for types, value in re.findall(r"type ([\d, ]+): ([\d.]+)", inside)
        for number in types.split(", ")
    }
    return by_type.get(str(family.number)) if by_type else float(inside)


@pytest.mark.parametrize("option", STATED, ids=lambda o: o.flag)
def test_the_defaults_in_the_help_are_those_that_hold(option: Option) -> None:
    """What a command line without the option gives, for every model type that understands it."""
    for family in option.families():
        args = parsed("-l", "0", "-f", "-pm", "--model-type", str(family.number))
        encoding, network, training = new_model_of(args)
        known = {
            **vars(family.finetuning),
            **vars(Together()),
            **vars(Composing()),
            **vars(runtime_of(args)),
            **vars(network),
            **vars(training),
            "transpose": encoding.transpose,
            "max_copy": family.max_copy,
        }
        assert stated_default(option, family) == known[option.dest], family.number


def test_every_number_that_has_a_default_states_it() -> None:
    assert {o.flag for o in NUMBERS} <= {o.flag for o in STATED}
    args = parsed("-pm")
    assert (args.load, args.app, args.model_type) == (1, None, None)


def test_words_are_explained_in_the_help() -> None:
    words = PARSER.format_help().split("\nwords:\n")[1]
    for word in ("nats", "prime", "bundle", "lookback", "LiteRT"):
        assert re.search(rf"^  {word} +\w", words, re.M)


@pytest.mark.parametrize("flag", ["--output", "--prime", "--instrument", "--evaluate", "--corpus"])
def test_nothing_is_not_a_name(flag: str) -> None:
    with pytest.raises(UserError, match=f"{flag}: is empty, leave it out") as refusal:
        parsed("-pm", flag, " ")
    sentence(refusal)


# what was understood before


@pytest.mark.parametrize("flag", FLAGS.split())
def test_every_flag_is_still_there(flag: str) -> None:
    assert flag in {f for option in OPTIONS for f in option.flags}


@pytest.mark.parametrize("command", [c.strip() for c in COMMANDS.strip().splitlines()])
def test_every_command_is_still_understood(command: str) -> None:
    accepted(*shlex.split(command))


@pytest.mark.parametrize(
    "page",
    sorted({*ROOT.glob("*.md"), *ROOT.glob("*/*.md")} - {ROOT / "CHANGELOG.md"}),
    ids=lambda p: p.name,
)
def test_every_command_in_the_documentation_is_understood(page: Path) -> None:
    text = page.read_text("utf-8").replace("\\\n", " ")
    for command in re.findall(r"python3? play_bach\.py([^\n`|]*)", text):
        words = shlex.split(re.split("[#&]", command)[0])
        if words and words != ["-h"] and words[:2] != ["..."]:
            accepted(*words)


# options without what they are for


@pytest.mark.parametrize("option", TAKING, ids=lambda o: o.flag)
def test_an_option_without_its_verb_is_refused(option: Option) -> None:
    """The sentence names the flag and every verb that would do."""
    with pytest.raises(UserError, match=rf"^{option.flag} is for .*: add -") as refusal:
        validate(parsed("--list", *words_of(option)))
    add = sentence(refusal).split(": add ")[1].rstrip(".").split(" or ")
    short = {o.flag: o.flags[0] for o in OPTIONS}
    assert add == [short[verb.flags[-1]] for verb in VERBS if verb.name in option.wanted_by]


@pytest.mark.parametrize("option", TAKING, ids=lambda o: o.flag)
def test_nothing_is_also_a_value(option: Option) -> None:
    if option.kind not in (int, float) or "choices" in option.how:
        return
    with pytest.raises(UserError, match=f"{option.flag} is for"):
        validate(parsed("--list", option.flag, "0"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "nothing to do: add -pm to compose, -f to train, or -h for help."),
        ("--corpus x", "nothing to do: add -pm"),
        ("-l 0", "nothing to do"),
        ("-l 0 -pm", "-l 0 makes a new model, which knows nothing yet: add -f to train it."),
        ("-pm -e 3", "--epochs is for training: add -f."),
        ("-f --notes 3 --wav", "--notes, --wav are for composing: add -pm."),
        (
            "--list --seed 3",
            "--seed is for training or composing or playing together: add -f or -pm or --duet.",
        ),
        ("-pm --json x", "--json is for the report card: add --evaluate."),
        ("-pm --host x", "--host is for the server: add -st."),
        ("-bl --variant int8", "--variant is for composing or the report card or playing together"),
        (
            "-l 1 -f --normal --seqlen 9",
            "--normal, --seqlen cannot change a saved model: train a new",
        ),
        (
            "-l 1 -f --dropout 0",
            "--dropout cannot change a saved model: train a new one with -l 0 -f.",
        ),
        ("-f --transpose 0", "--transpose cannot change a saved model"),
        ("-pm --keep alto", "--keep needs a score: add --harmonise FILE."),
        ("-pm --regenerate 1-2", "--regenerate needs a score: add --harmonise FILE."),
        (
            "-pm --harmonise x --prime y --notes 3",
            "--prime, --notes cannot be combined with --harmonise: leave it out.",
        ),
        ("-pm --harmonise x --max-copy 9", "--max-copy cannot be combined with --harmonise"),
        ("-l 0 -f --app ../evil", "--app '../evil' must be letters, digits, - and _ only."),
        ("-pm --prime x --without-prime --with-prime", "--with-prime cannot be combined with"),
        ("-pm --without-prime", "--without-prime needs a score: add --prime FILE."),
        ("-l 0 -f --app mine --from bach", "--from starts from a saved model, -l 0 from nothing"),
        ("-f --from bach", "--from makes a new model: give it a name of its own with --app."),
        ("-f --from bach --app bach", "--from makes a new model: give it a name of its own with"),
        ("-f --app mine --mix 2", "--mix needs a model: add --from NAME."),
        ("-f --app mine --no-scratch", "--no-scratch needs a model: add --from NAME."),
        ("-f --app mine --from bach --units 9", "--units cannot change a saved model"),
        ("-pm --app mine --from bach", "--from is for training: add -f."),
        ("-pm --part 1", "--part needs a score: add --prime FILE or --harmonise FILE."),
        ("--list --part 1", "--part is for training or composing or the report card: add"),
        ("-pm --harmonise x --best-of 3", "--harmonise cannot be combined with --best-of"),
        ("--list --best-of 3", "--best-of is for composing: add -pm."),
        ("--list --key G", "--key is for composing or playing together: add -pm or --duet."),
        ("-pm --harmonise x --with-prime", "--with-prime cannot be combined with --harmonise"),
    ],
)
def test_what_makes_no_sense_together_is_refused(words: str, said: str) -> None:
    with pytest.raises(UserError, match="^" + re.escape(said)) as refusal:
        accepted(*shlex.split(words))
    sentence(refusal)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--nonsense", "unrecognized arguments: --nonsense; see play_bach.py -h."),
        ("-pm --nots 3", "unrecognized arguments: --nots 3"),
        ("-pm tune.mid", "unrecognized arguments: tune.mid"),
        ("-l 2 -pm", "argument -l/--load: invalid choice: 2"),
        ("-l 0 -f -e many", "argument -e/--epochs: invalid int value: 'many'"),
        ("-pm --temperature", "argument --temperature: expected one argument"),
        ("-pm --best-of 0", "argument --best-of: must be a whole number of 1 to 100"),
        ("-pm --best-of 101", "argument --best-of: must be a whole number of 1 to 100"),
        ("-pm --best-of few", "argument --best-of: must be a whole number of 1 to 100"),
        ("-pm --best-of -1", "argument --best-of: must be a whole number of 1 to 100"),
        ("-pm --variant best", "argument --variant: invalid choice: 'best'"),
        ("-sl float8", "argument -sl/--save-lite: invalid choice: 'float8'"),
        ("-l 0 -f --split bar", "argument --split: invalid choice: 'bar'"),
    ],
)
def test_what_is_not_understood_is_refused(words: str, said: str) -> None:
    with pytest.raises(UserError, match="^" + re.escape(said)) as refusal:
        accepted(*words.split())
    assert sentence(refusal).endswith("; see play_bach.py -h.")


# model types


@pytest.mark.parametrize(
    ("option", "family"), BY_FAMILY, ids=[f"{o.flag}-{f.number}" for o, f in BY_FAMILY]
)
def test_an_option_is_refused_for_a_model_type_without_it(
    option: Option, family: ModelFamily
) -> None:
    with pytest.raises(
        UserError, match=f"^{option.flag} is not for model type {family.number} "
    ) as e:
        validate_for(parsed(*words_of(option)), family)
    others = ", ".join(str(f.number) for f in option.families())
    assert f"only for {others}: leave it out, or choose another with --model-type." in sentence(e)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.family], ids=lambda o: o.flag)
def test_an_option_is_accepted_for_the_model_types_that_have_it(option: Option) -> None:
    assert option.families()
    for family in option.families():
        validate_for(parsed(*words_of(option)), family)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "-l 0 -f --model-type 5 --concatenate",
            "--concatenate is not for model type 5 (four voices",
        ),
        ("-l 0 -f --model-type 5 --normal", "--normal is not for model type 5"),
        ("-l 0 -f --model-type 5 --split window", "--split is not for model type 5"),
        ("-l 0 -f --model-type 5 --forget .5", "--forget is not for model type 5"),
        ("-l 0 -f --model-type 5 --forget 0", "--forget is not for model type 5"),
        ("-l 0 -f --model-type 2 --concatenate", "--concatenate is not for model type 2"),
        ("-l 0 -f --forget .5", "--forget is not for model type 1"),
        ("-l 0 -f --model-type 2 --retrieval", "--retrieval is not for model type 2"),
        ("-pm --model-type 5 --notes 9", "--notes is not for model type 5"),
        ("-pm --model-type 2 --harmonise x.mid", "--harmonise is not for model type 2"),
        ("-pm --model-type 2 --key G", "--key is not for model type 2"),
        ("-pm --model-type 1 --best-of 2", "--best-of is not for model type 1"),
        ("-pm --model-type 3 --scale C", "--scale is not for model type 3"),
        ("-pm --model-type 9", "there is no model type 9; choose one of 1, 2, 3, "),
        ("-l 0 -f --model-type 0", "there is no model type 0; choose one of"),
        ("-st --model-type 77", "there is no model type 77"),
    ],
)
def test_what_a_model_type_has_not_is_refused_before_any_work(
    words: str, said: str, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_bach, "import_module", lambda name: pytest.fail(f"{name} began"))
    with pytest.raises(UserError, match="^" + re.escape(said)) as refusal:
        play_bach.run(words.split(), paths)
    sentence(refusal)
    assert list(paths.models.iterdir()) == []


def test_the_notes_that_models_play_in_a_duet_are_for_every_model_type() -> None:
    for family in families():
        validate_for(parsed("--duet", "--key", "C D E"), family)
    with pytest.raises(UserError, match="--key is not for model type 2"):
        validate_for(parsed("--duet", "-pm", "--key", "C"), family_of(2))


def test_without_a_model_type_the_saved_model_decides(paths: Paths) -> None:
    (paths.models / SHIPPED.name).write_bytes(SHIPPED.read_bytes())
    with pytest.raises(UserError, match="--scale is not for model type 2"):
        play_bach.run(["-pm", "--scale", "C major"], paths)


# ranges


@pytest.mark.parametrize(
    ("option", "group", "limit", "step"),
    RANGED,
    ids=[f"{o.flag}-{g.__name__}{s:+d}" for o, g, _, s in RANGED],
)
def test_settings_out_of_range_are_refused(
    option: Option, group: type[Settings], limit: float, step: int
) -> None:
    """The ranges are those of config_bach; the limits themselves are allowed."""
    name = option.sets
    kind = int if option.kind is int else float
    beyond = kind(limit + step) if abs(limit) < 2**53 else int(limit) + 2**11
    with pytest.raises(UserError, match=rf"^{name} is .* but it must lie between") as refusal:
        group(**settings_given(parsed(option.flag, str(beyond)), group))
    sentence(refusal)
    if abs(limit) < 2**53:
        args = parsed(option.flag, str(kind(limit)))
        assert getattr(group(**settings_given(args, group)), name) == limit


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-pm --temperature 101", "temperature is 101.0, but it must lie between 0.0 and 100.0"),
        ("-pm --temperature nan", "temperature is nan, but"),
        ("-pm --bpm inf", "bpm is inf, but it must lie between 10.0 and 400.0"),
        ("-pm --top-p 1.5", "top_p is 1.5, but it must lie between 0.0 and 1.0"),
        ("-l 0 -f --transpose 12", "transpose is 12, but it must lie between 0 and 6"),
        (
            "-f --app mine --from bach --mix -1",
            "mix is -1.0, but it must lie between 0.0 and 100.0",
        ),
        ("-l 1 -f -e 0", "epochs is 0, but it must lie between 1 and"),
        ("-l 0 -f --forget 1.5 --model-type 2", "lookback_dropout is 1.5, but"),
        ("-bl --threads 0", "threads is 0, but it must lie between 1 and 64"),
        (
            "-l 0 -f --seed 5000000000",
            "seed is 5000000000, but it must lie between 0 and 4294967295",
        ),
    ],
)
def test_values_out_of_range_are_refused_before_any_work(
    words: str, said: str, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_bach, "import_module", lambda name: pytest.fail(f"{name} began"))
    with pytest.raises(UserError, match="^" + re.escape(said)):
        play_bach.run(words.split(), paths)
    assert list(paths.models.iterdir()) == []


# what a command line asks for


def test_settings_are_read_by_their_group() -> None:
    args = parsed("--units", "12", "--forget", "0", "--epochs", "7", "--temperature", "0.5")
    assert settings_given(args, Network) == {"units": 12, "lookback_dropout": 0.0}
    assert not new_model_of(parsed("--model-type", "5"))[1].retrieval
    assert new_model_of(parsed("--model-type", "5", "--retrieval"))[1].retrieval
    assert settings_given(args, Training) == {"epochs": 7}
    assert settings_given(args, Composing) == {"temperature": 0.5}
    assert settings_given(args, Runtime) == {}


def test_a_seed_is_of_composing_and_of_training() -> None:
    args = parsed("--seed", "7")
    assert composing_of(args).seed == 7
    assert new_model_of(args)[2].seed == 7
    assert new_model_of(parsed())[2].seed == 1
    drawn = {composing_of(parsed()).seed for _ in range(3)}
    assert len(drawn) == 3
    assert all(seed is not None and 0 <= seed < 2**31 for seed in drawn)


@pytest.mark.parametrize(
    ("words", "transpose"),
    [
        ("--model-type 2", 3),
        ("--model-type 5", 6),
        ("", 0),
        ("--model-type 2 --transpose 1", 1),
        ("--model-type 2 --transpose 0", 0),
        ("--model-type 2 --split window", 0),
        ("--model-type 2 --split window --transpose 2", 2),
        ("--model-type 2 --split piece", 3),
    ],
)
def test_how_far_a_new_model_is_transposed(words: str, transpose: int) -> None:
    assert new_model_of(parsed(*words.split()))[0].transpose == transpose


@pytest.mark.parametrize("family", families(), ids=lambda f: str(f.number))
def test_a_new_model_has_the_defaults_of_its_type_and_what_was_asked(family: ModelFamily) -> None:
    number = str(family.number)
    encoding, network, training = new_model_of(parsed("--model-type", number))
    assert (network, training) == (family.network, family.training)
    assert not encoding.normal
    assert not encoding.concatenate
    words = ["--normal", "--units", "16", "-e", "3", "--dropout", "0"]
    encoding, network, training = new_model_of(parsed("--model-type", number, *words))
    assert (encoding.normal, encoding.concatenate) == (True, False)
    assert (network.units, network.dropout, training.epochs) == (16, 0.0, 3)
    assert network.embedding == family.network.embedding


def test_a_new_model_reads_scores_as_they_are_played_and_the_part_that_is_asked_for() -> None:
    args = PARSER.parse_args(["-l", "0", "-f", "--part", "Soprano"])
    encoding, _, _ = new_model_of(args)
    assert (encoding.unfold, encoding.part) == (True, "Soprano")
    assert new_model_of(PARSER.parse_args(["-l", "0", "-f"]))[0].part == ""


def test_what_runs_the_network() -> None:
    assert runtime_of(parsed()) == Runtime()
    assert runtime_of(parsed("--threads", "3", "--delegate", "x.so")) == Runtime(3, "x.so")
