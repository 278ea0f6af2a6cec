//! Plots: bars with their quartiles, and lines.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::Axis;
use crate::bench::stats::Spread;
use crate::bench::units::Unit;

/// Width of a plot, in pixels.
pub(super) const WIDTH: u32 = 960;
const BAR_HEIGHT: u32 = 24;
const MARGIN: u32 = 96;
const LINES_HEIGHT: u32 = 440;
/// A bar's name may have so many letters before it is cut.
const LONGEST_NAME: usize = 44;

const INK: RGBColor = RGBColor(0x22, 0x2b, 0x38);
const GRID: RGBColor = RGBColor(0xdd, 0xe2, 0xe8);
const WHISKER: RGBColor = RGBColor(0x55, 0x5f, 0x6e);
/// Okabe and Ito's colours, which can be told apart by everybody.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x55, 0x55, 0x55),
];

/// A bar: a name, a median, its quartiles.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) spread: Spread,
    /// Bars of the same group have the same colour.
    pub(crate) group: usize,
}

/// A line through points.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// A model rather than a measurement: drawn without marks.
    pub(crate) model: bool,
}

/// One plot.
#[derive(Clone, Debug)]
pub(crate) enum Chart {
    /// Horizontal bars.
    Bars {
        title: String,
        unit: Unit,
        log: bool,
        bars: Vec<Bar>,
    },
    /// Lines over an axis.
    Lines {
        title: String,
        x: (String, Unit, bool),
        y: (String, Unit, bool),
        series: Vec<Series>,
    },
}

type Outcome = Result<(), Box<dyn Error>>;

impl Chart {
    /// Whether there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Chart::Bars { bars, .. } => bars.is_empty(),
            Chart::Lines { series, .. } => series.iter().all(|series| series.points.is_empty()),
        }
    }

    /// Its height in pixels.
    pub(super) fn height(&self) -> u32 {
        match self {
            Chart::Bars { bars, .. } => MARGIN + BAR_HEIGHT * bars.len() as u32,
            Chart::Lines { .. } => LINES_HEIGHT,
        }
    }

    /// Draws it.
    pub(super) fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Outcome {
        match self {
            Chart::Bars {
                title,
                unit,
                log,
                bars,
            } => draw_bars(area, title, *unit, *log, bars),
            Chart::Lines {
                title,
                x,
                y,
                series,
            } => draw_lines(area, title, x, y, series),
        }
    }
}

fn text(size: f64) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn draw_bars(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    unit: Unit,
    log: bool,
    bars: &[Bar],
) -> Outcome {
    let ends = bars
        .iter()
        .flat_map(|bar| [bar.spread.low, bar.spread.median, bar.spread.high]);
    let axis = Axis::around(ends, unit, log);
    let longest = bars.iter().map(|bar| name(bar).chars().count()).max();
    let left = 16 + 7 * longest.unwrap_or(0) as u32;
    let rows = bars.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(18.0))
        .margin(12)
        // Room for the figures behind the bars.
        .margin_right(90)
        .x_label_area_size(28)
        .y_label_area_size(left)
        .build_cartesian_2d(axis.clone(), 0.0..rows)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID)
        .label_style(text(13.0))
        .draw()?;
    for (number, bar) in bars.iter().enumerate() {
        let middle = rows - number as f64 - 0.5;
        let colour = COLOURS[bar.group % COLOURS.len()];
        let Spread {
            low, median, high, ..
        } = bar.spread;
        chart.draw_series([Rectangle::new(
            [(axis.beginning(), middle - 0.32), (median, middle + 0.32)],
            colour.mix(0.85).filled(),
        )])?;
        chart.draw_series([PathElement::new(
            [(low, middle), (high, middle)],
            WHISKER.stroke_width(2),
        )])?;
        // Names and figures lie outside of the axes.
        let at = chart.backend_coord(&(axis.beginning(), middle));
        let end = chart.backend_coord(&(high.max(median), middle));
        let (left_of, right_of) = (
            text(13.0).pos(position(plotters::style::text_anchor::HPos::Right)),
            text(13.0).pos(position(plotters::style::text_anchor::HPos::Left)),
        );
        let origin = area.get_pixel_range();
        let local =
            |(x, y): (i32, i32), shift: i32| (x - origin.0.start + shift, y - origin.1.start);
        area.draw(&Text::new(name(bar), local(at, -8), left_of))?;
        area.draw(&Text::new(unit.show(median), local(end, 6), right_of))?;
    }
    Ok(())
}

fn position(horizontal: plotters::style::text_anchor::HPos) -> plotters::style::text_anchor::Pos {
    plotters::style::text_anchor::Pos::new(horizontal, plotters::style::text_anchor::VPos::Center)
}

fn name(bar: &Bar) -> String {
    if bar.name.chars().count() <= LONGEST_NAME {
        return bar.name.clone();
    }
    let short: String = bar.name.chars().take(LONGEST_NAME - 1).collect();
    format!("{short}…")
}

fn draw_lines(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    x: &(String, Unit, bool),
    y: &(String, Unit, bool),
    series: &[Series],
) -> Outcome {
    let points = || series.iter().flat_map(|series| series.points.iter());
    let across = Axis::around(points().map(|point| point.0), x.1, x.2);
    let up = Axis::around(points().map(|point| point.1), y.1, y.2);
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(18.0))
        .margin(12)
        .margin_right(32)
        .x_label_area_size(48)
        .y_label_area_size(88)
        .build_cartesian_2d(across, up)?;
    chart
        .configure_mesh()
        .x_desc(&x.0)
        .y_desc(&y.0)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(WHISKER)
        .label_style(text(13.0))
        .axis_desc_style(text(14.0))
        .draw()?;
    for (number, line) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let width = if line.model { 1 } else { 2 };
        chart
            .draw_series(LineSeries::new(
                line.points.iter().copied(),
                colour.stroke_width(width),
            ))?
            .label(&line.name)
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width + 1))
            });
        if !line.model && line.points.len() <= 40 {
            chart.draw_series(
                line.points
                    .iter()
                    .map(|&point| Circle::new(point, 4, colour.filled())),
            )?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .label_font(text(13.0))
        .draw()?;
    Ok(())
}
