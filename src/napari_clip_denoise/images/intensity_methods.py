"""Ways to choose the raw values that become 0 and 1 on the network's scale.

To add one, write a class and register it: the command line, the window and the BioImage Model Zoo
export read their choices from `INTENSITIES`. This module is light, so that help texts load fast.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

if TYPE_CHECKING:
    from napari_clip_denoise.images.channel_sample import ChannelSample
    from napari_clip_denoise.noise.anscombe import AnscombeTransform


class Ends(NamedTuple):
    """The raw values that become 0 and 1, the transform before them, and whether means are kept."""

    low: float
    high: float
    anscombe: "AnscombeTransform | None" = None
    keeps_mean: bool = False


class IntensityMethod(ABC):
    """A way to choose the intensity mapping of an image.

    Attributes
    ----------
    name : str
        Name in settings and commands.
    label : str
        Name in the window.
    description : str
        Explanation for help texts, without a full stop.
    is_shared : bool
        Whether all channels have the same mapping, which depends on the type alone.
    percentiles : (float, float) or None
        Percentiles of a sample that become 0 and 1, for formats that know no other way.
    window : (float, float) or None
        Raw values that become 0 and 1 in every image.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str]
    is_shared: ClassVar[bool] = False
    percentiles: ClassVar[tuple[float, float] | None] = None
    window: ClassVar[tuple[float, float] | None] = None

    @abstractmethod
    def ends(self, sample: "ChannelSample") -> Ends:
        """Choose the mapping of a channel; equal ends mark a constant channel."""


INTENSITIES: dict[str, IntensityMethod] = {}
"""All methods by name, in the order of the menu."""

Method = TypeVar("Method", bound=type[IntensityMethod])


def intensity_label(intensity: str | tuple[float, float]) -> str:
    """Return the name of a method in the window, or the two numbers of a range as words."""
    if not isinstance(intensity, str):
        return "{:g} to {:g}".format(*intensity)
    return INTENSITIES[intensity].label if intensity in INTENSITIES else intensity


def register(method: Method) -> Method:
    """Add a method to `INTENSITIES`; used as a decorator of its class."""
    INTENSITIES[method.name] = method()
    return method


class _Percentiles(IntensityMethod):
    percentiles = (1.0, 99.0)

    def ends(self, sample: "ChannelSample") -> Ends:
        """Choose the mapping of a channel; the extremes take the place of equal percentiles."""
        low, high = sample.percentiles(*self.percentiles)
        if not low < high < float("inf"):
            return Ends(*sample.percentiles(0, 100))
        if sample.is_counts(low, high):
            return Ends(low, high, keeps_mean=True)
        return Ends(low, high, self.transform(sample, low, high))

    def transform(
        self, sample: "ChannelSample", low: float, high: float
    ) -> "AnscombeTransform | None":
        """Return the transform that comes before the linear mapping, if any."""
        return None


@register
class Anscombe(_Percentiles):
    """The 1st and 99th percentile after the generalized Anscombe transform.

    Gain and read noise are estimated from the sample. The transform is left out if the noise hardly
    grows with the value, or is too correlated between neighbours to be measured.
    """

    name = "anscombe"
    label = "Automatic (shot noise)"
    description = "percentiles, after stabilising the shot noise if there is any"

    def transform(
        self, sample: "ChannelSample", low: float, high: float
    ) -> "AnscombeTransform | None":
        """Estimate the transform from the noise between two raw values.

        Parameters
        ----------
        sample : ChannelSample
            Sample of the channel.
        low, high : float
            Raw values that map to 0 and 1 if there is no transform.

        Returns
        -------
        AnscombeTransform or None
            None if the noise hardly grows with the value, or cannot be measured.
        """
        return sample.stabilising_transform(low, high)


@register
class Percentile(_Percentiles):
    """The 1st and 99th percentile of up to 16 planes."""

    name = "percentile"
    label = "Percentiles 1 to 99"
    description = "1st and 99th percentile"


@register
class MinMax(IntensityMethod):
    """The smallest and largest value, of a sample if the channel has over 67 million pixels."""

    name = "minmax"
    label = "Smallest to largest"
    description = "smallest and largest value"
    percentiles = (0.0, 100.0)

    def ends(self, sample: "ChannelSample") -> Ends:
        """Choose the mapping of a channel."""
        return Ends(*sample.extremes())


@register
class DataType(IntensityMethod):
    """The range of an integer type, or [0, 1] for floating-point values."""

    name = "dtype"
    label = "Range of the data type"
    description = "range of the data type, or 0 to 1 for floating-point values"
    is_shared = True

    def ends(self, sample: "ChannelSample") -> Ends:
        """Choose the mapping of all channels."""
        return Ends(*sample.type_range())


@register
class CTWindow(IntensityMethod):
    """The window of CT in Hounsfield units."""

    name = "window"
    label = "CT window (HU)"
    description = "CT in Hounsfield units, -1024 to 3072"
    is_shared = True
    window = (-1024.0, 3072.0)

    def ends(self, sample: "ChannelSample") -> Ends:
        """Choose the mapping of all channels."""
        return Ends(*self.window)
