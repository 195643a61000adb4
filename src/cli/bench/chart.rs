//! Figures as a picture: how fast it went over the run, and how far each figure is from its
//! goal. One SVG file that needs nothing else, in light or dark as the reader prefers.

use super::goals::{Bound, Verdict};
use super::report::{Curve, Figure, Report, Slice, real};
use super::table;

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 28.0;
/// Left of the lines, for the numbers of the axis.
const AXIS_WIDTH: f64 = 64.0;
const PLOT_HEIGHT: f64 = 300.0;
const HEAD_HEIGHT: f64 = 74.0;
const LEGEND_ROW: f64 = 22.0;
const LEGEND_COLUMNS: usize = 3;
/// Left and right of the bars, for what they are and how long.
const LABEL_WIDTH: f64 = 390.0;
const VALUE_WIDTH: f64 = 192.0;
const BAR_ROW: f64 = 24.0;
const BAR_HEIGHT: f64 = 12.0;
/// How far a bar reaches, as a power of two of the goal.
const BAR_OCTAVES: f64 = 3.0;
/// About how many lines a scale has.
const SCALE_STEPS: f64 = 5.0;

/// What each curve looks like; those that are not here are not drawn. The colours are those of
/// Okabe and Ito, which can be told apart with any kind of sight.
const STYLES: [(&str, &str); 6] = [
    ("ledger", "a"),
    ("raw", "b"),
    ("postgres.plain", "c"),
    ("postgres.plain_copied", "d"),
    ("postgres.chained", "e"),
    ("postgres.chained_copied", "f"),
];

const STYLE: &str = "
  svg { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif }
  .back { fill: #fff } text { fill: #24292f } .soft { fill: #656d76 }
  .title { font-size: 18px; font-weight: 600 } .part { font-weight: 600 } .end { text-anchor: end }
  .middle { text-anchor: middle } .grid { stroke: #d0d7de } .goal { stroke: #24292f }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  .a { stroke: #0072b2; stroke-width: 3 } .b { stroke: #7a828b; stroke-dasharray: 7 3 }
  .c { stroke: #009e73 } .d { stroke: #009e73; stroke-dasharray: 2 4; stroke-linecap: round }
  .e { stroke: #d55e00 } .f { stroke: #d55e00; stroke-dasharray: 2 4; stroke-linecap: round }
  .met { fill: #0072b2 } .missed { fill: #d55e00 }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } text { fill: #e6edf3 } .soft { fill: #9198a1 }
    .grid { stroke: #30363d } .goal { stroke: #e6edf3 } .a { stroke: #56b4e9 }
    .met { fill: #56b4e9 } .e, .f { stroke: #e8833a } .missed { fill: #e8833a }
  }
";

/// The picture of a report.
pub fn draw(report: &Report) -> String {
    let mut chart = Chart { body: String::new(), y: HEAD_HEIGHT };
    chart.head(report);
    let curves: Vec<_> =
        STYLES.into_iter().filter_map(|(key, class)| Some((curve(report, key)?, class))).collect();
    if !curves.is_empty() {
        chart.lines(&curves);
    }
    let judged: Vec<_> = report
        .parts
        .iter()
        .flat_map(|part| part.goals.iter().map(move |verdict| (part, verdict)))
        .filter_map(|(part, verdict)| {
            let figures = &part.findings.figures;
            let figure = figures.iter().find(|figure| figure.key == verdict.key)?;
            Some((part.name.as_str(), figure, verdict))
        })
        .collect();
    if !judged.is_empty() {
        chart.goals(&judged);
    }
    chart.finish()
}

fn curve<'a>(report: &'a Report, key: &str) -> Option<&'a Curve> {
    report.parts.iter().flat_map(|part| &part.findings.curves).find(|curve| curve.key == key)
}

/// A picture in the making, from the top down.
struct Chart {
    body: String,
    /// Where what comes next begins.
    y: f64,
}

impl Chart {
    fn head(&mut self, report: &Report) {
        let entries = short(real(report.workload.entries));
        let machine = &report.machine;
        let processor = machine.processor.as_deref().unwrap_or("unknown processor");
        let unoptimised = if report.optimised { "" } else { " · NOT A RELEASE BUILD" };
        let about = format!(
            "{entries} entries in blocks of {} · {} cores ({processor}), {} GiB, {} · version {}{unoptimised}",
            report.workload.block_entries,
            machine.cores,
            machine.memory_bytes >> 30,
            machine.file_system.as_deref().unwrap_or("unknown file system"),
            report.version,
        );
        self.text(MARGIN, 34.0, "title", "counterfoil bench");
        self.text(MARGIN, 56.0, "soft", &about);
    }

    fn lines(&mut self, curves: &[(&Curve, &str)]) {
        self.y += 24.0;
        let title = "Durable entries a second, while the ledger fills";
        self.text(MARGIN, self.y, "part", title);
        self.legend(curves);
        let slices = || curves.iter().flat_map(|(curve, _)| &curve.slices);
        let rates = || slices().map(Slice::rate).filter(|rate| *rate > 0.0);
        let (least, most) = (rates().fold(f64::MAX, f64::min), rates().fold(1.0, f64::max));
        let end = slices().map(|slice| real(slice.from_entry + slice.entries)).fold(1.0, f64::max);
        let plot = Plot { top: self.y, rates: Powers::new(least, most), end };
        for rate in plot.rates.steps() {
            let y = plot.y(rate);
            self.line((MARGIN + AXIS_WIDTH, y), (WIDTH - MARGIN, y), "grid");
            self.text(MARGIN + AXIS_WIDTH - 8.0, y + 4.0, "soft end", &short(rate));
        }
        for entries in round_steps(end) {
            let class = if entries > 0.0 { "soft middle" } else { "soft" };
            self.text(plot.x(entries), plot.top + PLOT_HEIGHT + 20.0, class, &short(entries));
        }
        let bottom = plot.top + PLOT_HEIGHT + 40.0;
        self.text(WIDTH - MARGIN, bottom, "soft end", "entries on the ledger");
        for (curve, class) in curves.iter().rev() {
            let points = curve.slices.iter().map(|slice| plot.point(slice));
            let points: Vec<_> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let points = points.join(" ");
            self.push(format_args!("<polyline class=\"line {class}\" points=\"{points}\"/>"));
        }
        self.y = bottom + 16.0;
    }

    /// What each line is, and its rate over the whole run.
    fn legend(&mut self, curves: &[(&Curve, &str)]) {
        let column = (WIDTH - 2.0 * MARGIN) / 3.0;
        for row in curves.chunks(LEGEND_COLUMNS) {
            self.y += LEGEND_ROW;
            let mut x = MARGIN;
            for (curve, class) in row {
                let (from, to) = ((x, self.y - 4.0), (x + 30.0, self.y - 4.0));
                self.line(from, to, &format!("line {class}"));
                let rate = curve.rate();
                self.text(x + 38.0, self.y, "", &format!("{}, {}/s", curve.name, short(rate)));
                x += column;
            }
        }
        self.y += 18.0;
    }

    /// Bars from each goal, to the right where a figure is better.
    fn goals(&mut self, judged: &[(&str, &Figure, &Verdict)]) {
        self.y += 24.0;
        self.text(MARGIN, self.y, "part", "How far each figure is from its goal");
        let (left, right) = (MARGIN + LABEL_WIDTH, WIDTH - MARGIN - VALUE_WIDTH);
        let octave = (right - left) / (2.0 * BAR_OCTAVES);
        let goal = left + BAR_OCTAVES * octave;
        let (top, height) = (self.y + 30.0, real(judged.len() as u64) * BAR_ROW);
        let names = [
            (-3.0, "⅛"),
            (-2.0, "¼"),
            (-1.0, "½"),
            (0.0, "goal"),
            (1.0, "2×"),
            (2.0, "4×"),
            (3.0, "8×"),
        ];
        for (octaves, name) in names {
            let x = goal + octaves * octave;
            let class = if octaves == 0.0 { "goal" } else { "grid" };
            self.line((x, top), (x, top + height), class);
            self.text(x, top - 6.0, "soft middle", name);
        }
        self.y = top;
        let mut said = "";
        for (part, figure, verdict) in judged {
            self.y += BAR_ROW;
            let middle = self.y - BAR_ROW / 2.0;
            if said != *part {
                self.text(MARGIN, middle + 4.0, "soft", part);
                said = part;
            }
            let reach = betterness(figure.value, verdict.goal).log2();
            let reach = reach.clamp(-BAR_OCTAVES, BAR_OCTAVES) * octave;
            // Something to see even where a figure is its goal.
            let (x, width) = (goal + reach.min(-1.0), reach.abs().max(1.0));
            let (x, class) = if verdict.met { (goal, "met") } else { (x, "missed") };
            let y = middle - BAR_HEIGHT / 2.0;
            self.push(format_args!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\"/>"
            ));
            self.text(left - 12.0, middle + 4.0, "end", figure.label.trim());
            let mark = if verdict.met { "✓" } else { "✗" };
            let value = format!("{mark} {}", table::value_of(figure));
            self.text(right + 14.0, middle + 4.0, "", &value);
            let goal = table::goal_of(verdict, figure.unit);
            self.text(WIDTH - MARGIN, middle + 4.0, "soft end", &goal);
        }
        self.y += 12.0;
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escaped(text);
        self.push(format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.push(format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        self.body.push_str(&element.to_string());
        self.body.push('\n');
    }

    fn finish(self) -> String {
        let (height, body) = (self.y + MARGIN, self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" role=\"img\">\n\
             <title>counterfoil bench</title>\n<style>{STYLE}</style>\n\
             <rect class=\"back\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n{body}</svg>\n"
        )
    }
}

/// Where rates over entries are drawn.
struct Plot {
    top: f64,
    rates: Powers,
    /// The most entries.
    end: f64,
}

impl Plot {
    fn x(&self, entries: f64) -> f64 {
        let width = WIDTH - 2.0 * MARGIN - AXIS_WIDTH;
        MARGIN + AXIS_WIDTH + width * entries / self.end
    }

    fn y(&self, rate: f64) -> f64 {
        let (from, to) = (self.rates.least.log10(), self.rates.most.log10());
        self.top + PLOT_HEIGHT * (to - rate.max(self.rates.least).log10()) / (to - from)
    }

    /// In the middle of the slice.
    fn point(&self, slice: &Slice) -> (f64, f64) {
        let middle = real(slice.from_entry) + real(slice.entries) / 2.0;
        (self.x(middle), self.y(slice.rate()))
    }
}

/// Round numbers that a logarithmic scale goes between: 1, 2, 5, 10, 20, 50 and so on. Equal
/// distances are equal ratios.
struct Powers {
    least: f64,
    most: f64,
}

impl Powers {
    /// The scale that holds `least` and `most`.
    fn new(least: f64, most: f64) -> Self {
        let below = Self::all().take_while(|step| *step <= least).last();
        let above = Self::all().find(|step| *step >= most && *step > least);
        Self { least: below.unwrap_or(1.0), most: above.unwrap_or(most) }
    }

    fn steps(&self) -> impl Iterator<Item = f64> + use<> {
        let (least, most) = (self.least, self.most);
        Self::all().skip_while(move |step| *step < least).take_while(move |step| *step <= most)
    }

    fn all() -> impl Iterator<Item = f64> {
        let power = |exponent: i32| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(exponent));
        (0..=12).flat_map(power)
    }
}

/// Some round numbers from 0 on, up to a last.
fn round_steps(last: f64) -> impl Iterator<Item = f64> {
    let rough = last / SCALE_STEPS;
    let step = Powers::all().find(|step| *step >= rough).unwrap_or(rough);
    (0u32..).map(move |number| f64::from(number) * step).take_while(move |at| *at <= last)
}

/// How many times better than its goal a figure is; less than 1 where it is worse.
fn betterness(value: f64, goal: Bound) -> f64 {
    let ratio = match goal {
        Bound::AtLeast(least) => value / least,
        Bound::AtMost(most) => most / value,
    };
    if ratio.is_finite() { ratio.max(f64::MIN_POSITIVE) } else { 1.0 }
}

/// A number in few letters, such as `1.2 M`.
fn short(number: f64) -> String {
    let (scaled, letter) = match number {
        _ if number >= 1e6 => (number / 1e6, " M"),
        _ if number >= 1e3 => (number / 1e3, " k"),
        _ => (number, ""),
    };
    let digits = usize::from(scaled < 10.0 && (scaled - scaled.round()).abs() >= 0.05);
    format!("{scaled:.digits$}{letter}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_reach_beyond() {
        let cases = [
            (1.0, 1.0, &[1.0, 2.0][..]),
            (30.0, 99.0, &[20.0, 50.0, 100.0]),
            (1_500.0, 20_000.0, &[1e3, 2e3, 5e3, 1e4, 2e4]),
        ];
        for (least, most, expected) in cases {
            let steps: Vec<_> = Powers::new(least, most).steps().collect();
            assert_eq!(steps, expected, "{least} {most}");
        }
        assert_eq!(round_steps(60_000.0).collect::<Vec<_>>(), [0.0, 2e4, 4e4, 6e4]);
        assert_eq!(round_steps(3.0).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn numbers_are_short() {
        let cases =
            [(0.0, "0"), (950.0, "950"), (1_200.0, "1.2 k"), (50_000.0, "50 k"), (3e6, "3 M")];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn better_is_to_the_right_of_the_goal() {
        assert!(betterness(20.0, Bound::AtLeast(10.0)) > 1.0);
        assert!(betterness(20.0, Bound::AtMost(10.0)) < 1.0);
        assert!((betterness(0.0, Bound::AtMost(10.0)) - 1.0).abs() < f64::EPSILON);
    }
}
