"""A bundle with what runs its network: the variant that plays on this machine, in LiteRT."""

from config_bach import Paths, Runtime, UserError
from families.base import LoadedModel
from families.registry import family_of
from litert.interpreter import LiteRTRunner, running
from litert.variants import fastest_here
from storage.bundle import Bundle


def loaded(bundle: Bundle, variant: str, runtime: Runtime | None = None) -> LoadedModel:
    """A bundle that plays in one of its variants.

    Raises UserError if it has no such variant, or it cannot be run here.
    """
    if variant not in bundle.steps:
        there = f"only {', '.join(bundle.steps)}" if bundle.steps else "nor any other"
        raise UserError(
            f"{bundle.name} has no variant {variant}, {there}; export it with -sl {variant}."
        )
    family = family_of(bundle.network.model_type)
    with running():
        predictor = family.predictor(LiteRTRunner(bundle.steps[variant], runtime))
    return LoadedModel(bundle, family, predictor, variant)


def playing(
    bundle: Bundle, paths: Paths, wanted: str | None = None, runtime: Runtime | None = None
) -> LoadedModel:
    """A bundle in the variant that plays here: the one wanted or else as `variant_here` says.

    Raises UserError as `loaded` does.
    """
    return loaded(bundle, wanted or variant_here(bundle, paths), runtime)


def variant_here(bundle: Bundle, paths: Paths) -> str:
    """The fastest variant by the benchmark of this machine, else the family's, else any there is.

    Raises UserError if there is none.
    """
    best = fastest_here(bundle.name, bundle.metadata, paths)
    usual = family_of(bundle.network.model_type).default_variant
    for variant in (best["variant"] if best else usual, usual, *bundle.steps):
        if variant in bundle.steps:
            return variant
    raise UserError(
        f"{bundle.name} holds nothing to compose with; export its network with -sl "
        f"--app {bundle.name}, or train it anew."
    )
